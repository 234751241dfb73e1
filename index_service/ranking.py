"""From a segment's candidates to the exact top k: re-ranks on the stored vectors and settles ties.

A segment's scores are rounded float32 sums. Candidates are scored again in float64 on the stored float16
vectors, so that equal vectors score equally in every shard, whatever stands beside them. Equal scores are
ordered by (doc_id, item_id); the caller finishes that, because item ids live in payloads.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index_service.segment import FlatSegment, Selected, SlotNumbers

# Candidates fetched beyond k: enough that rounding rarely hides a true hit, cheap enough not to be felt.
OVERFETCH = 32
# Candidates re-ranked at most when many score alike, beyond k.
TIED_LIMIT = 2048
# Bound on the rounding of a 768-term float32 sum in 8 lanes, relative to the product of the two lengths:
# 96 additions of relative error 2^-24 each (Higham, Accuracy and Stability of Numerical Algorithms, 3.1).
_ROUNDING = 1e-5


@dataclass(frozen=True, slots=True, eq=False)
class Ranked:
    """Candidates with exact scores, all arrays of one length; at least the top k are among them.

    Args:
        text_score, image_score: exact inner products of the halves, rounded to float32.
    """

    slots: SlotNumbers
    text_score: NDArray[np.float32]
    image_score: NDArray[np.float32]

    @property
    def score(self) -> NDArray[np.float64]:
        """Sum of the halves, without further rounding."""
        total: NDArray[np.float64] = self.text_score.astype(np.float64) + self.image_score
        return total


def rank(
    segment: FlatSegment,
    queries: NDArray[np.float32],
    ks: list[int],
    *,
    selected: Selected,
    order: NDArray[np.uint64],
    text_dim: int,
) -> list[Ranked]:
    """Candidates that hold the exact top k of each query among the selected slots.

    Args:
        queries: float32 [m, dim]; `ks` has one k per query.
        selected: bool [n_slots].
        order: slots of equal score are preferred by the smaller value.
    """
    n_selected = int(np.count_nonzero(selected))
    fetch = max(ks, default=0) + OVERFETCH
    if n_selected <= fetch:
        everything = np.flatnonzero(selected)
        return [exact(segment, everything, query, text_dim) for query in queries]
    scores, slots = segment.search(queries, fetch, selected)
    ranked = []
    for i, query in enumerate(queries):
        candidates = exact(segment, slots[i], query, text_dim)
        slack = _ROUNDING * float(np.linalg.norm(query)) * segment.longest
        kth = float(np.partition(candidates.score, -ks[i])[-ks[i]])
        if scores[i, -1] >= kth - slack:
            tied = _with_ties(segment, query, ks[i], kth, slack, selected, order)
            candidates = exact(segment, tied, query, text_dim)
        ranked.append(candidates)
    return ranked


def exact(segment: FlatSegment, slots: SlotNumbers, query: NDArray[np.float32], text_dim: int) -> Ranked:
    """Exact scores of these slots."""
    rows = segment.rows(slots).astype(np.float64)
    asked = query.astype(np.float64)
    return Ranked(
        slots=slots,
        text_score=(rows[:, :text_dim] @ asked[:text_dim]).astype(np.float32),
        image_score=(rows[:, text_dim:] @ asked[text_dim:]).astype(np.float32),
    )


def _with_ties(
    segment: FlatSegment,
    query: NDArray[np.float32],
    k: int,
    kth: float,
    slack: float,
    selected: Selected,
    order: NDArray[Any],
) -> SlotNumbers:
    """All slots that may belong to the top k, although more of them score like the k-th than were fetched.

    Of the slots around the k-th score, those first in `order` are kept: exact for real ties (copies of a
    vector, items whose half the query does not ask about), however many there are.
    """
    scores, slots = segment.above(query, kth - 2 * slack, selected)
    above = slots[scores > kth + 2 * slack]
    around = slots[scores <= kth + 2 * slack]
    keep = k + TIED_LIMIT
    if len(around) > keep:
        around = around[np.argpartition(order[around], keep)[:keep]]
    return np.concatenate([above, around])
