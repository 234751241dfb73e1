"""The sentence of a hit that speaks most of what was asked. Pure."""

from collections.abc import Sequence

from gateway.core.sentences import Sentence, sentences_at
from gateway.core.words import content_words, places_of

_LONGEST_CHARS = 300


class Snippets:
    """Finds the matching sentence of each hit of one search.

    Args:
        words: of the query, None where it was asked with pictures alone.
    """

    def __init__(self, words: str | None) -> None:
        self._wanted = content_words(words) if words else frozenset()

    def of(self, text: str) -> tuple[int, int] | None:
        """Where in a hit's text the sentence stands that shares most words with the query; the first of several.

        None where no sentence shares any: the hit was found by its meaning, or by its picture.
        """
        if not self._wanted:
            return None
        places = self._possible(text)
        best, most = None, 0.0
        for sentence in sentences_at(text, places) if places else ():
            found = content_words(text[sentence.start : sentence.end])
            # Of two with the same words the shorter says it more plainly; headings name things and say nothing.
            score = len(self._wanted & found) - len(found) / 1000 - sentence.heading / 2
            if self._wanted & found and score > most:
                best, most = sentence, score
        return _cut(best) if best is not None else None

    def _possible(self, text: str) -> Sequence[int]:
        """Where a wanted word may begin: most sentences have none, and need not be looked at."""
        lower = text.lower()
        if len(lower) != len(text):
            return range(len(text))  # Some letter became two: places of the one are not those of the other.
        return places_of(self._wanted, lower)


def _cut(sentence: Sentence) -> tuple[int, int]:
    return sentence.start, min(sentence.end, sentence.start + _LONGEST_CHARS)
