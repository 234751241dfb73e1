"""One ranking from two sources of candidates: vectors and words.

Every candidate is scored in full, by its exact inner product and its exact lexical score, whichever source it came
from. Knows neither Faiss nor tantivy: where vectors' candidates come from is handed in.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from index_service.lexical.matches import LexicalIndex, Selected, SlotNumbers, normalised
from index_service.lexical.wanted import Wanted
from index_service.ranking import Ranked

# The first list of vectors holds at least so many beyond k, where so many match.
_BEYOND = 16
# Each further step asks both sources for this many times more, up to the bound.
_WIDER = 4
_WIDEST = 4096


@dataclass(frozen=True, slots=True, eq=False)
class Blended:
    """Candidates with all their scores, arrays of one length.

    Args:
        dense: slots and the scores of both halves.
        lexical_score: float32 from 0 to 1.
        weight: of the lexical score in the sum.
    """

    dense: Ranked
    lexical_score: NDArray[np.float32]
    weight: float

    @property
    def score(self) -> NDArray[np.float64]:
        """The joint score, float64 [n]."""
        if not self.weight:
            return self.dense.score
        total: NDArray[np.float64] = self.dense.score + self.weight * self.lexical_score.astype(np.float64)
        return total


def unblended(dense: Ranked) -> Blended:
    """Candidates of a query without words to look up."""
    return Blended(dense, np.zeros(len(dense.slots), dtype=np.float32), 0.0)


def blend(
    near: Ranked,
    nearest: Callable[[int], Ranked],
    exact: Callable[[SlotNumbers], Ranked],
    lexical: LexicalIndex,
    query: Wanted,
    weight: float,
    k: int,
    selected: Selected,
) -> Blended:
    """Candidates that hold the top `k` by joint score among the selected slots.

    Both sources are asked for more until no slot that neither of them named can reach the k-th score (Fagin's
    threshold algorithm, doi 10.1016/S0022-0000(03)00026-6), or until they have named 4,096 each: then slots far
    down in both lists may be missing, which happens when thousands of items hold the same words. Where vectors'
    candidates come from a graph, it is as sure as the graph.

    Args:
        near: candidates that hold the `k` selected slots of the best vectors and a few more, with exact scores.
        nearest: the same for any number.
        exact: exact scores of any slots.
        weight: of the lexical score, above 0.
    """
    n_selected = int(np.count_nonzero(selected))
    fetch = k + _BEYOND
    while True:
        named, matched = lexical.search(query, fetch, selected)
        slots = np.union1d(near.slots, named)
        dense = exact(slots) if len(slots) > len(near.slots) else near
        blended = Blended(dense, normalised(lexical.matched(query, dense.slots), query), weight)
        if len(slots) == n_selected or fetch >= _WIDEST:
            return blended
        # Slots that were not named have at most the last vector score that was, and the last lexical one.
        sure = min(fetch, len(near.slots))
        dense_floor = np.partition(near.score, -sure)[-sure]
        lexical_floor = normalised(matched[-1:], query)[0] if len(named) == fetch else 0.0
        if np.partition(blended.score, -k)[-k] > dense_floor + weight * float(lexical_floor):
            return blended
        fetch = min(fetch * _WIDER, _WIDEST)
        near = nearest(min(fetch, n_selected))
