"""Checks citations: `[n]` in an answer counts only when what it stands for can be read in passage n.

The check is on the text itself, with white space made equal: what a generator says about itself is not trusted.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from contracts.api import Citation
from gateway.core.prompt import Passage
from gateway.core.sentences import split_sentences
from gateway.core.words import content_words

_MARKER = re.compile(r"(\s*)\[(\d{1,3})\]")
_QUOTED = re.compile(r"[\"“]([^\"“”]{8,600})[\"”][\s.,;:]*$")
_EDGES = " \t\r\n.,;:\"“”'"

# A statement in the generator's own words is given the sentence of the passage that shares most of its words;
# with less than this share of them, or with a number that the passage does not hold, it is not a source for it.
_LEAST_SHARED_WORDS = 0.5


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a marker that held stands.

    Args:
        written: its range in the text as it was written.
        kept: its range in the checked text.
    """

    citation: Citation
    written: tuple[int, int]
    kept: tuple[int, int]


@dataclass(frozen=True, slots=True)
class CheckedAnswer:
    """An answer whose markers all stand for a verified citation.

    Args:
        text: the answer without the markers that failed.
        dropped: how many markers failed.
        marks: the markers that held, in order; several may stand for one citation.
    """

    text: str
    citations: tuple[Citation, ...]
    dropped: int
    marks: tuple[Mark, ...] = ()


def find_quote(quote: str, source: str) -> tuple[int, int] | None:
    """Where `quote` stands in `source`, as a range, whatever the white space between words; None when it does not.

    Args:
        quote: one word at least.
    """
    words = quote.split()
    if not words:
        return None
    match = re.search(r"(?<!\w)" + r"\s+".join(re.escape(word) for word in words) + r"(?!\w)", source)
    return match.span() if match else None


def check_citations(answer: str, passages: Sequence[Passage]) -> CheckedAnswer:
    """Verify every `[n]` of an answer against passage n.

    A marker is backed by its statement when that is verbatim, else by the quoted words right before it (which then
    must be), else by the passage's sentence that shares most words with the statement.
    """
    by_number = {passage.n: passage for passage in passages}
    citations: list[Citation] = []
    marks: list[Mark] = []
    kept = ""
    dropped = 0
    begin = 0
    statement = ""
    gap = ""
    for marker in _MARKER.finditer(answer):
        between = answer[begin : marker.start()]
        kept += between
        statement = between if between.strip(_EDGES) else statement
        gap = marker[1] if between else gap or marker[1]
        begin = marker.end()
        passage = by_number.get(int(marker[2]))
        span = _support(statement, passage) if passage else None
        if passage is None or span is None:
            dropped += 1
            continue
        kept += f"{gap}[{passage.n}]"
        gap = ""
        citation = _citation(passage, span)
        if citation not in citations:
            citations.append(citation)
        written = (marker.end(1), marker.end())
        marks.append(Mark(citation, written, (len(kept) - len(f"[{passage.n}]"), len(kept))))
    kept += answer[begin:]
    ahead = len(kept) - len(kept.lstrip())
    shifted = (replace(mark, kept=(mark.kept[0] - ahead, mark.kept[1] - ahead)) for mark in marks)
    return CheckedAnswer(kept.strip(), tuple(citations), dropped, tuple(shifted))


def _support(statement: str, passage: Passage) -> tuple[int, int] | None:
    """The range of the passage's text that backs a statement."""
    verbatim = find_quote(statement.lstrip(_EDGES), passage.text)
    if verbatim:
        return verbatim
    quoted = _QUOTED.search(statement)
    if quoted:
        return find_quote(quoted[1], passage.text)
    sentences = split_sentences(statement)
    words = content_words(statement[sentences[-1].start : sentences[-1].end]) if sentences else frozenset()
    numbers = {word for word in words if any(letter.isdigit() for letter in word)}
    if not words or not numbers <= content_words(passage.text):
        return None
    best_share, best = 0.0, None
    for candidate in split_sentences(passage.text):
        shared = content_words(passage.text[candidate.start : candidate.end]) & words
        if len(shared) / len(words) > best_share:
            best_share, best = len(shared) / len(words), (candidate.start, candidate.end)
    return best if best_share >= _LEAST_SHARED_WORDS else None


def _citation(passage: Passage, span: tuple[int, int]) -> Citation:
    hit = passage.hit
    start, end = span
    offset = passage.char_offset
    return Citation(
        n=passage.n,
        doc_id=hit.doc_id,
        item_id=hit.item_id,
        source=hit.source,
        quote=" ".join(passage.text[start:end].split()),
        page=hit.page,
        box=hit.box,
        char_start=None if offset is None else offset + start,
        char_end=None if offset is None else offset + end,
    )
