"""A query's words as weighted terms, and what a match is worth.

A term's weight comes from its shape alone, never from counts in a shard: an identifier weighs most, a longer word
more than a shorter one (rarer words are longer in every language: Zipf's law of abbreviation), the shortest words
nothing. So equal items score equally in every shard and segment, and a merged list is one ranking.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from index_service.lexical.terms import WHOLE, kind, pairs, parts, runs, squeezed, tokens

# A full match of one identifier; `normalised` counts it as 1.
_IDENTIFIER = 1.0
# By the number of its letters and digits: "7" and "12" are everywhere.
_SHORT_IDENTIFIER = {1: 0.1, 2: 0.2, 3: 0.5}
# How an identifier's weight is shared out: it as it is written, without separators, its parts, and standing alone.
_AS_WRITTEN, _SQUEEZED, _PARTS, _ALONE = 0.6, 0.2, 0.15, 0.05
_WORD = 0.25
_SHORTEST_WORD = 4
_FULL_WEIGHT_WORD = 8
_PAIR = 0.1
# Weights are multiples of this, so that float32 sums are exact in whatever order they are made.
_UNIT = 1 / 1024
# The heaviest terms of a query; the rest is left out.
MAX_TERMS = 48


@dataclass(frozen=True, slots=True)
class Wanted:
    """The weighted terms of a query; empty when its words hold nothing to look up.

    Args:
        weights: term to weight, multiples of 1/1024.
        whole: sum of weights that counts as a full match.
    """

    weights: dict[str, float]
    whole: float

    def __bool__(self) -> bool:
        return bool(self.weights)


def wanted(words: str) -> Wanted:
    """The terms to look up for a query's words."""
    weights: dict[str, float] = {}
    for token in dict.fromkeys(tokens(words)):
        for term, weight in _weighted(token):
            weights[term] = max(weights.get(term, 0.0), _rounded(weight))
    heaviest = sorted(weights.items(), key=lambda pair: (-pair[1], pair[0]))[:MAX_TERMS]
    return Wanted(dict(heaviest), max(_IDENTIFIER, sum(weight for _, weight in heaviest)))


def _weighted(token: str) -> Iterator[tuple[str, float]]:
    which = kind(token)
    if which == "word":
        yield from _word(token)
    elif which == "unspaced":
        yield from ((pair, _PAIR) for pair in pairs(token))
    elif any(letter.isdigit() for letter in token):
        yield from _identifier(token)
    else:
        # Words with separators between them, as in "well-known": the words, and a little for the whole.
        words = [pair for run in runs(token) if kind(run) == "word" for pair in _word(run)]
        yield from words
        yield token, sum(weight for _, weight in words) / 2 or _WORD / 2


def _word(word: str) -> Iterator[tuple[str, float]]:
    if len(word) >= _SHORTEST_WORD:
        steps = min(len(word), _FULL_WEIGHT_WORD) - _SHORTEST_WORD + 1
        yield word, _WORD * steps / (_FULL_WEIGHT_WORD - _SHORTEST_WORD + 1)


def _identifier(token: str) -> Iterator[tuple[str, float]]:
    n = sum(letter.isalnum() for letter in token)
    budget = _SHORT_IDENTIFIER.get(n, _IDENTIFIER)
    shares: dict[str, float] = {token: _AS_WRITTEN, WHOLE + token: _ALONE}
    bare = squeezed(token) or token
    shares[bare] = shares.get(bare, 0.0) + _SQUEEZED
    pieces = [part for part in parts(token) if part != token] or [token]
    length = sum(len(part) for part in pieces)
    for part in pieces:
        shares[part] = shares.get(part, 0.0) + _PARTS * len(part) / length
    yield from ((term, budget * share) for term, share in shares.items())


def _rounded(weight: float) -> float:
    return max(1, round(weight / _UNIT)) * _UNIT
