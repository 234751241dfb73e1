"""Splits extracted text into sentences, each with its place in the text.

Made for what text extraction leaves behind: hard line breaks inside sentences, headings without a full stop,
list items, abbreviations and decimals. Knows nothing of languages other than by punctuation.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

# Words before a full stop that do not end a sentence. Lower case, without the final stop.
_ABBREVIATION_WORDS = """
a.m approx art ca cf ch co dept dr e.g ed eds eq est etc fig figs gen i.e inc jr lt ltd max min mr
mrs ms mt no nos nr p.m pp prof rev sec sen sr st tab u.k u.s vol vs
"""
_ABBREVIATIONS = frozenset(_ABBREVIATION_WORDS.split())
# Abbreviations that often stand at a sentence's end: a capital letter after them is taken as a new sentence.
_MAY_END = frozenset({"etc", "a.m", "p.m", "inc", "ltd", "co", "u.k", "u.s", "jr", "sr", "max", "min", "no"})

_STOP = re.compile(r"[.!?…]+[\"'”’)\]]*(?=\s)")
_LAST_WORD = re.compile(r"[\w.]*\w$")
# Of the word before a full stop only so much is looked at: none of the abbreviations is as long.
_LOOK_BACK = 12
_SPACE = re.compile(r"\s*")
_BLANK_LINE = re.compile(r"\n[ \t\r]*\n")
_LINE = re.compile(r"[^\n]*\S[^\n]*")
_LIST_MARK = re.compile(r"\s*(?:[-*•–▪]|\d{1,2}[.)])[ \t]+(?=\S)")
_MARKDOWN_HEADING = re.compile(r"[ \t]*#{1,6}[ \t]+\S")
_OPENS_SENTENCE = re.compile(r"[\"'“‘(\[]*[A-ZÀ-ÖØ-Þ0-9]")

_HEADING_MAX_CHARS = 70
# A heading's line is this much shorter than the widest line of its block, which was wrapped at the margin.
_HEADING_MAX_SHARE = 0.75


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence: `text[start:end]` of the text that was split, without space around it.

    Args:
        heading: a title or a lone label rather than a statement.
    """

    start: int
    end: int
    heading: bool = False


def split_sentences(text: str) -> list[Sentence]:
    """Sentences of `text` in order, without overlap: all of it but white space and list marks."""
    return [sentence for start, end in _blocks(text) for sentence in _sentences(text, start, end)]


def sentences_at(text: str, places: Sequence[int]) -> list[Sentence]:
    """Those of the sentences that hold one of these places, which ascend."""
    return [
        sentence
        for start, end in _blocks(text, places)
        if _holds(start, end, places)
        for sentence in _sentences(text, start, end)
        if _holds(sentence.start, sentence.end, places)
    ]


def _holds(start: int, end: int, places: Sequence[int]) -> bool:
    at = bisect_left(places, start)
    return at < len(places) and places[at] < end


def _sentences(text: str, start: int, end: int) -> list[Sentence]:
    return _heading(text, start, end) or _statements(text, start, end)


def _blocks(text: str, places: Sequence[int] | None = None) -> Iterator[tuple[int, int]]:
    """Paragraphs, list items and headings, as ranges; of paragraphs those alone that hold one of the places."""
    start = 0
    for gap in [*_BLANK_LINE.finditer(text), None]:
        end = gap.start() if gap else len(text)
        if places is None or _holds(start, end, places):
            yield from _lines_to_blocks(text, start, end)
        start = gap.end() if gap else end


def _lines_to_blocks(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    lines = [(m.start(), m.end()) for m in _LINE.finditer(text, start, end)]
    widest = max((b - a for a, b in lines), default=0)
    block: int | None = None
    last = start
    for i, (a, b) in enumerate(lines):
        if block is None:
            after = text[lines[i + 1][0] : lines[i + 1][1]].lstrip() if i + 1 < len(lines) else None
            if _is_heading_line(text[a:b], after, widest):
                yield a, b
            else:
                block = a
        elif _LIST_MARK.match(text, a, b):
            yield block, last
            block = a
        last = b
    if block is not None:
        yield block, last


def _is_heading_line(line: str, after: str | None, widest: int) -> bool:
    """Whether the first line of a block is a heading above what follows it."""
    if _MARKDOWN_HEADING.match(line):
        return True
    if after is None or _LIST_MARK.match(line):
        return False
    stripped = line.strip()
    return (
        len(stripped) <= _HEADING_MAX_CHARS
        and len(stripped) < widest * _HEADING_MAX_SHARE
        and stripped[-1] not in ".!…,;:-–"
        and _OPENS_SENTENCE.match(after) is not None
    )


def _heading(text: str, start: int, end: int) -> list[Sentence]:
    """The block as one heading, or nothing when it reads as statements or nothing stands below it."""
    stripped = text[start:end].strip()
    is_heading = _MARKDOWN_HEADING.match(stripped) or (
        "\n" not in stripped
        and len(stripped) <= _HEADING_MAX_CHARS
        and stripped[-1] not in ".!…"
        and not _LIST_MARK.match(stripped)
        and text[end:].strip() != ""
    )
    return [_trimmed(text, start, end, heading=True)] if is_heading else []


def _statements(text: str, start: int, end: int) -> list[Sentence]:
    mark = _LIST_MARK.match(text, start, end)
    begin = mark.end() if mark else start
    sentences = []
    for stop in _STOP.finditer(text, begin, end):
        if _ends_sentence(text, begin, stop, end):
            sentences.append(_trimmed(text, begin, stop.end()))
            begin = stop.end()
    if text[begin:end].strip():
        sentences.append(_trimmed(text, begin, end))
    return sentences


def _ends_sentence(text: str, begin: int, stop: re.Match[str], end: int) -> bool:
    space = _SPACE.match(text, stop.end(), end)
    after = space.end() if space else end
    if after == end:
        return False
    opens = _OPENS_SENTENCE.match(text, after, end) is not None
    if stop[0] != ".":
        return opens or stop[0][0] in "!?"
    word = _LAST_WORD.search(text, max(begin, stop.start() - _LOOK_BACK), stop.start())
    before = word[0].lower() if word else ""
    if before in _ABBREVIATIONS:
        return before in _MAY_END and opens and not text[after].isdigit()
    if len(before) == 1 and before.isalpha():
        return False  # An initial: "J. Smith".
    return opens


def _trimmed(text: str, start: int, end: int, *, heading: bool = False) -> Sentence:
    piece = text[start:end]
    return Sentence(start + len(piece) - len(piece.lstrip()), end - (len(piece) - len(piece.rstrip())), heading)
