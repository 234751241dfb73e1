"""The lexical index of what still changes: in memory, a row findable as soon as it is added, none ever removed."""

from array import array
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from index_service.lexical.matches import Matched, Selected, SlotNumbers, best
from index_service.lexical.terms import terms
from index_service.lexical.wanted import Wanted


class LiveLexical:
    """Slots by term. Not thread-safe while it grows: the shard's lock guards it."""

    def __init__(self) -> None:
        self._slots: dict[str, array[int]] = {}
        self.n_slots = 0

    def extend(self, texts: Iterable[str]) -> None:
        """Add the texts of new slots, behind the last one."""
        for text in texts:
            for term in terms(text):
                known = self._slots.get(term)
                if known is None:
                    self._slots[term] = array("I", (self.n_slots,))
                else:
                    known.append(self.n_slots)
            self.n_slots += 1

    def search(self, query: Wanted, k: int, selected: Selected) -> tuple[SlotNumbers, Matched]:
        """At most `k` selected slots that match best, best first, and the matched weight of each (never 0).

        Args:
            selected: bool [n_slots at most], which slots may be found.
        """
        matched = self._matched(query, len(selected))
        matched[~selected] = 0.0
        return best(np.flatnonzero(matched), matched[matched > 0], k)

    def matched(self, query: Wanted, slots: SlotNumbers) -> Matched:
        """The matched weight of each of these slots, float32 [len(slots)]."""
        return self._matched(query, self.n_slots)[slots]

    def _matched(self, query: Wanted, n_slots: int) -> NDArray[np.float32]:
        total = np.zeros(n_slots, dtype=np.float32)
        for term, weight in query.weights.items():
            known = self._slots.get(term)
            if known is not None:
                slots = np.array(known, dtype=np.int64)
                total[slots[slots < n_slots]] += weight
        return total
