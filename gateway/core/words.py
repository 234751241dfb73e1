"""Content words of a text, for comparing what two texts speak of. Light on purpose: vectors do the real work."""

import re
from collections.abc import Iterable
from functools import lru_cache

_WORD = re.compile(r"[^\W_]+(?:[.,]\d+)*")
_ENDINGS = ("ings", "ing", "ies", "ied", "es", "ed", "s", "e", "y")
_SHORTEST_STEM = 4
_STOP_WORD_LIST = """
a about after all also am an and any are as at be because been before being between both but by can could did
do does doing down during each few for from further had has have having he her here hers him his how i if in
into is it its just may me more most must my no nor not of off on once only or other our out over own same she
should so some such than that the their them then there these they this those through to too under until up
very was we were what when where which while who whom why will with would you your tell show find give many
much long
"""
STOP_WORDS = frozenset(_STOP_WORD_LIST.split())


def places_of(stems: Iterable[str], lower: str) -> list[int]:
    """Where in a text in lower case a word with one of these stems may begin, ascending.

    A stem is how its words begin. What stands before one is no letter; it may be a digit, as in "3.5mm". Some of
    the places begin another word: who must be sure compares `content_words`.
    """
    places = []
    for stem in stems:
        at = lower.find(stem)
        while at >= 0:
            if not at or not lower[at - 1].isalpha():
                places.append(at)
            at = lower.find(stem, at + 1)
    places.sort()
    return places


def content_words(text: str) -> frozenset[str]:
    """Words of `text` that carry meaning, in lower case and without common English endings."""
    return frozenset(_stem(word) for word in _WORD.findall(text.lower()) if word not in STOP_WORDS)


@lru_cache(maxsize=65_536)
def _stem(word: str) -> str:
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _SHORTEST_STEM:
            return word.removesuffix(ending)
    return word
