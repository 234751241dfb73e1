"""Error rates: edits between what was read and what stands there, per letter or word that stands there."""

from dataclasses import dataclass

from rapidfuzz.distance import Levenshtein


@dataclass(frozen=True, slots=True)
class Errors:
    """Edits (insertions, deletions, replacements) and what they are counted against; sums over texts by `+`."""

    edits: int
    of: int

    def __add__(self, other: "Errors") -> "Errors":
        return Errors(self.edits + other.edits, self.of + other.of)

    @property
    def rate(self) -> float:
        """Edits per unit; may exceed 1 where much was read that does not stand there."""
        return self.edits / self.of if self.of else float(self.edits > 0)


def character_errors(read: str, known: str) -> Errors:
    """Edits of characters; runs of white space count as one space."""
    a, b = " ".join(read.split()), " ".join(known.split())
    return Errors(Levenshtein.distance(a, b), len(b))


def word_errors(read: str, known: str) -> Errors:
    """Edits of words: what stands between white space, punctuation and case included."""
    a, b = read.split(), known.split()
    return Errors(Levenshtein.distance(a, b), len(b))
