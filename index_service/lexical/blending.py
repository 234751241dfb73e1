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
from index_service.ranking import OVERFETCH, Ranked

# Each step asks both sources for this many times more, up to the bound.
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
        total: NDArray[np.float64] = self.dense.score + self.weight * self.lexical_score.astype(np.float64)
        return total


def unblended(dense: Ranked) -> Blended:
    """Candidates of a query without words to look up."""
    return Blended(dense, np.zeros(len(dense.slots), dtype=np.float32), 0.0)


def blend(
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
    down in both lists may be missing, which happens when thousands of items hold the same words.

    Args:
        nearest: candidates that hold the `n` selected slots of the best vectors, with exact scores.
        exact: exact scores of any slots.
        weight: of the lexical score, above 0.
    """
    n_selected = int(np.count_nonzero(selected))
    fetch = k + OVERFETCH
    while True:
        near = nearest(fetch)
        named, matched = lexical.search(query, fetch, selected)
        slots = np.union1d(near.slots, named)
        dense = exact(slots)
        blended = Blended(dense, normalised(lexical.matched(query, slots), query), weight)
        if len(slots) == n_selected or fetch >= _WIDEST:
            return blended
        # Slots that were not named have at most the last vector score that was, and the last lexical one.
        dense_floor = np.partition(near.score, -fetch)[-fetch] if len(near.slots) >= fetch else -np.inf
        lexical_floor = normalised(matched[-1:], query)[0] if len(named) == fetch else 0.0
        if np.partition(blended.score, -k)[-k] > dense_floor + weight * float(lexical_floor):
            return blended
        fetch = min(fetch * _WIDER, _WIDEST)
