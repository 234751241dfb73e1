"""Chooses the sentences that answer a question best: vector closeness plus shared words, then no repeats.

Pure: vectors come in as arguments. The numbers were set on questions over hand-written texts, not on the samples'
held-out queries.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.core.prompt import Passage
from gateway.core.sentences import split_sentences
from gateway.core.words import content_words

Vector = NDArray[np.float32]

_MARKER = re.compile(r"\[\d{1,3}\]")
_SHORTEST_CHARS, _LONGEST_CHARS = 15, 500
_LEXICAL_WEIGHT = 0.25
# Below this best score no sentence is taken for an answer.
_CLOSE_ENOUGH = 0.40
# Further sentences come along when nearly as good as the best one and not saying the same.
_NEARLY_AS_GOOD = 0.80
_SAME_STATEMENT = 0.92


@dataclass(frozen=True, slots=True)
class Candidate:
    """One sentence that could be quoted.

    Args:
        order: position among all sentences of its passage.
        quote: the words as they stand in the passage, with single spaces.
        context: heading and sentence together, which is what gets embedded: a sentence that begins with "It" means
            little by itself.
    """

    passage: Passage
    order: int
    quote: str
    context: str


def candidates(question: str, passages: Sequence[Passage], *, limit: int) -> list[Candidate]:
    """Quotable sentences of the passages, at most `limit`: those that share most words with the question first.

    Earlier passages win ties, so that without shared words the first passages are read.
    """
    words = content_words(question)
    found: list[tuple[int, Candidate]] = []
    seen: set[str] = set()
    for passage in passages:
        heading = passage.hit.heading or ""
        for order, sentence in enumerate(split_sentences(passage.text)):
            quote = " ".join(passage.text[sentence.start : sentence.end].split())
            if sentence.heading:
                heading = quote.lstrip("# ")
            elif _quotable(quote) and quote not in seen:
                seen.add(quote)
                context = f"{heading}: {quote}" if heading else quote
                found.append((len(words & content_words(context)), Candidate(passage, order, quote, context)))
    found.sort(key=lambda pair: -pair[0])
    return [candidate for _, candidate in found[:limit]]


def _quotable(quote: str) -> bool:
    """Whether a sentence can stand in an answer: of fair length, and without a `[n]` of its own."""
    return _SHORTEST_CHARS <= len(quote) <= _LONGEST_CHARS and _MARKER.search(quote) is None


def choose(
    question: str, question_vector: Vector, pool: Sequence[Candidate], vectors: Vector, *, limit: int
) -> list[Candidate]:
    """The sentences that answer the question: best passage first, reading order within one; [] when none is close.

    Args:
        question_vector: unit, [d]. vectors: unit, [len(pool), d].
    """
    if not pool:
        return []
    words = content_words(question)
    shared = np.array([len(words & content_words(c.context)) / max(len(words), 1) for c in pool], dtype=np.float32)
    scores = vectors @ question_vector + _LEXICAL_WEIGHT * shared
    ranked = np.argsort(-scores, kind="stable")
    best = float(scores[ranked[0]])
    if best < _CLOSE_ENOUGH:
        return []
    taken: list[int] = []
    for i in ranked:
        if len(taken) == limit or scores[i] < _NEARLY_AS_GOOD * best:
            break
        if all(float(vectors[i] @ vectors[j]) < _SAME_STATEMENT for j in taken):
            taken.append(int(i))
    first_seen = {pool[i].passage.n: rank for rank, i in reversed(list(enumerate(taken)))}
    taken.sort(key=lambda i: (first_seen[pool[i].passage.n], pool[i].order))
    return [pool[i] for i in taken]
