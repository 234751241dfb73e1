"""Chooses the sentences that answer a question best, from vectors that come in as arguments.

A sentence's score adds up how close it is to the question, how close its passage and the sentence before it are,
and how many of the question's rarer words it shares. The weights were set on 38 questions with an answer (30 get
it) and 16 without (3 get something) over `samples/`, none of them among the held-out queries.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.core.prompt import Passage
from gateway.core.sentences import split_sentences
from gateway.core.words import content_words

Floats = NDArray[np.float32]

_PASSAGE_WEIGHT = 0.2
_BEFORE_WEIGHT = 0.1
_WORDS_WEIGHT = 0.3
# Captions and list items name things and rarely say something about them.
_FRAGMENT_COST = 0.2
# Below this best score no sentence is taken for an answer.
_CLOSE_ENOUGH = 0.54
# Further sentences come along when nearly as good as the best one and not saying the same.
_NEARLY_AS_GOOD = 0.85
_SAME_STATEMENT = 0.92

_SHORTEST_CHARS, _LONGEST_CHARS = 15, 500
_FULL_STOP = re.compile(r"[.!?…][\"'”’)\]]*$")
_MARKER = re.compile(r"\[\d{1,3}\]")
# Words at the beginning of a sentence that point back: it is then quoted together with the one before it.
_POINTS_BACK = re.compile(
    r"(?:it|its|they|their|them|these|those|this|that|he|she|his|her|both|then)\b", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """One statement that could be quoted.

    Args:
        first, last: positions of its sentences among those of the passage.
        quote: the words as they stand in the passage, with single spaces.
        meaning: what is embedded: the quote, after its heading where that is a question.
        words: content words of the quote and the heading above it.
    """

    passage: Passage
    first: int
    last: int
    quote: str
    meaning: str
    words: frozenset[str]


def candidates(question: str, passages: Sequence[Passage], *, limit: int) -> list[Candidate]:
    """Quotable statements of the passages, at most `limit`: those that share most words with the question.

    Earlier passages win ties, so that without shared words the first passages are read.
    """
    wanted = content_words(question)
    found: dict[str, Candidate] = {}
    for passage in passages:
        for candidate in _statements(passage):
            found.setdefault(candidate.quote, candidate)
    return sorted(found.values(), key=lambda candidate: -len(wanted & candidate.words))[:limit]


def choose(
    question: str, question_vector: Floats, pool: Sequence[Candidate], vectors: Floats, *, limit: int
) -> list[Candidate]:
    """The statements that answer the question, best passage first, then in reading order; [] when none is close.

    Args:
        question_vector: unit, [d]. vectors: unit, [len(pool), d].
    """
    if not pool:
        return []
    scores = _scores(content_words(question), question_vector, pool, vectors)
    ranked = [int(i) for i in np.argsort(-scores, kind="stable")]
    best = float(scores[ranked[0]])
    if best < _CLOSE_ENOUGH:
        return []
    taken: list[int] = []
    for i in ranked:
        if len(taken) == limit or scores[i] < _NEARLY_AS_GOOD * best:
            break
        if not any(_overlap(pool[i], pool[j]) or vectors[i] @ vectors[j] > _SAME_STATEMENT for j in taken):
            taken.append(i)
    rank_of_passage = {pool[i].passage.n: rank for rank, i in reversed(list(enumerate(taken)))}
    taken.sort(key=lambda i: (rank_of_passage[pool[i].passage.n], pool[i].first))
    return [pool[i] for i in taken]


def _statements(passage: Passage) -> list[Candidate]:
    heading = passage.hit.heading or ""
    caption = " ".join((passage.hit.caption or "").split())
    statements: list[Candidate] = []
    before: str | None = None
    for order, sentence in enumerate(split_sentences(passage.text)):
        quote = " ".join(passage.text[sentence.start : sentence.end].split())
        # Captions often lack the full stop that tells a statement from a heading.
        if sentence.heading and quote not in caption:
            heading, before = quote.lstrip("# "), None
            continue
        joined = before is not None and _POINTS_BACK.match(quote) is not None
        whole = f"{before} {quote}" if joined else quote
        before = quote
        # A question is no answer, and a `[n]` of the source's own would be taken for a citation of ours.
        if quote.endswith("?") or _MARKER.search(whole) or not _SHORTEST_CHARS <= len(whole) <= _LONGEST_CHARS:
            continue
        first = order - 1 if joined else order
        meaning = f"{heading} {whole}" if heading.endswith("?") else whole
        statements.append(Candidate(passage, first, order, whole, meaning, content_words(f"{heading} {whole}")))
    return statements


def _overlap(one: Candidate, other: Candidate) -> bool:
    return one.passage.n == other.passage.n and one.first <= other.last and other.first <= one.last


def _scores(
    wanted: frozenset[str], question_vector: Floats, pool: Sequence[Candidate], vectors: Floats
) -> NDArray[np.float64]:
    cosines = (vectors @ question_vector).astype(np.float64)
    at = {(candidate.passage.n, candidate.last): i for i, candidate in enumerate(pool)}
    before = [at.get((candidate.passage.n, candidate.last - 1)) for candidate in pool]
    cosine_before = np.array([max(0.0, cosines[i]) if i is not None else 0.0 for i in before])
    return (
        cosines
        + _PASSAGE_WEIGHT * _passage_cosines(question_vector, pool, vectors)
        + _BEFORE_WEIGHT * cosine_before
        + _WORDS_WEIGHT * _shared_words(wanted, pool)
        - _FRAGMENT_COST * np.array([_FULL_STOP.search(candidate.quote) is None for candidate in pool])
    )


def _passage_cosines(question_vector: Floats, pool: Sequence[Candidate], vectors: Floats) -> NDArray[np.float64]:
    """Cosine of the question with the mean of each statement's passage, [len(pool)]."""
    numbers = np.array([candidate.passage.n for candidate in pool])
    out = np.zeros(len(pool), dtype=np.float64)
    for n in np.unique(numbers):
        mean = vectors[numbers == n].mean(axis=0)
        out[numbers == n] = float(mean @ question_vector) / max(float(np.linalg.norm(mean)), 1e-9)
    return out


def _shared_words(wanted: frozenset[str], pool: Sequence[Candidate]) -> NDArray[np.float64]:
    """Share of the question's words in each statement, 0 to 1; words that few statements hold count more."""
    weight = {
        word: math.log(1 + len(pool) / (1 + sum(word in candidate.words for candidate in pool))) for word in wanted
    }
    total = sum(weight.values()) or 1.0
    return np.array([sum(weight[word] for word in wanted & candidate.words) / total for candidate in pool])
