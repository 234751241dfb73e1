"""What a lexical index answers with, and how its best slots are chosen."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from index_service.lexical.wanted import Wanted

SlotNumbers = NDArray[np.int64]
Matched = NDArray[np.float32]
Selected = NDArray[np.bool_]


class LexicalIndex(Protocol):
    """Slots in, slots and matched weights out. `LiveLexical` and `LexicalSegment` are such."""

    def search(self, query: Wanted, k: int, selected: Selected) -> tuple[SlotNumbers, Matched]:
        """At most `k` selected slots that match best, best first."""
        ...

    def matched(self, query: Wanted, slots: SlotNumbers) -> Matched:
        """The matched weight of each of these slots."""
        ...


def best(slots: SlotNumbers, matched: Matched, k: int) -> tuple[SlotNumbers, Matched]:
    """The `k` slots of the highest weights, best first; equal ones by slot."""
    order = np.lexsort((slots, -matched))[:k]
    return slots[order], matched[order]


def normalised(matched: Matched, query: Wanted) -> NDArray[np.float32]:
    """Matched weights as lexical scores from 0 to 1.

    1 is a match of every term, if the query's terms weigh as much as one identifier together. A query of a few
    ordinary words never reaches 1: they say less.
    """
    scores: NDArray[np.float32] = (matched / np.float32(query.whole)).astype(np.float32)
    return scores
