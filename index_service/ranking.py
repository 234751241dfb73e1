"""From a part's candidates to exact scores: re-ranks on the stored vectors, widens short results, settles ties.

Faiss's scores are rounded, and those of codes are approximate. Candidates are scored again in float64 on the
stored float16 vectors, so that equal vectors score equally in every shard, whatever stands beside them. Equal
scores are ordered by (doc_id, item_id); the caller finishes that, because item ids live in payloads.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from index_service.bitmap import Bitmap, SlotNumbers, packed_bitmap
from index_service.kinds.searcher import Searcher
from index_service.vectors import Scanner, Scores

# Candidates fetched beyond k by an exact scan: enough that rounding rarely hides a true hit.
OVERFETCH = 32
# Candidates re-ranked at most when many score alike, beyond k.
TIED_LIMIT = 2048
# Bound on the rounding of a 768-term float32 sum in 8 lanes, relative to the product of the two lengths:
# 96 additions of relative error 2^-24 each (Higham, Accuracy and Stability of Numerical Algorithms, 3.1).
_ROUNDING = 1e-5
# Of a query of zeros, to which every row is as near as any other.
_LEAST_SLACK = 1e-30
# A search that finds too little is repeated with this many times the effort, this often; then rows are scanned.
_WIDEN = 4.0
_WIDENINGS = 2
_MOST_EFFORT = 32.0


@dataclass(frozen=True, slots=True, eq=False)
class Ranked:
    """Candidates of one query with exact scores, all arrays of one length.

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


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """What a part of a shard offers to a search.

    Args:
        scanner: all rows, exactly. `searcher`: the first `covered` of them, quickly; None where there is none.
        overfetch: candidates that the searcher is asked for beyond k.
        order: sort keys of slots: among equal scores smaller ones are preferred.
        scan_below: a filtered search scans while matching rows times their share of the covered ones is below.
        breadth: multiplies the breadth that the searcher has for an index of its size.
    """

    scanner: Scanner
    searcher: Searcher | None
    covered: int
    overfetch: int
    order: Callable[[SlotNumbers], NDArray[np.uint64]]
    scan_below: int
    breadth: float


@dataclass(slots=True)
class Effort:
    """What a batch of queries cost in one part. `widened` counts queries."""

    compared: int = 0
    widened: int = 0


def rank(
    rows: Rows,
    queries: Scores,
    ks: list[int],
    *,
    selected: Bitmap,
    text_dim: int,
    exact: bool,
    effort: Effort,
) -> list[Ranked]:
    """Candidates for the top k of each query among the selected slots; certain to hold it if scanned.

    Args:
        queries: float32 [m, dim]; `ks` has one k per query.
        exact: scan, whatever it costs.
        effort: is added to.
    """
    wanted = max(ks)
    if selected.count <= wanted + OVERFETCH:
        effort.compared += selected.count * len(ks)
        everything = selected.slots()
        return [exact_scores(rows.scanner, everything, query, text_dim) for query in queries]
    if exact or rows.searcher is None or _scans(rows, selected):
        effort.compared += selected.count * len(ks)
        return _scan(rows, queries, ks, selected, text_dim)
    return _search(rows, rows.searcher, queries, ks, selected, text_dim, effort)


def _scans(rows: Rows, selected: Bitmap) -> bool:
    """Whether so few rows match that a scan costs no more than a walk through all the others."""
    return not selected.all and selected.count * (selected.count / selected.n_slots) < rows.scan_below


def _scan(rows: Rows, queries: Scores, ks: list[int], selected: Bitmap, text_dim: int) -> list[Ranked]:
    scores, slots = rows.scanner.search(queries, max(ks) + OVERFETCH, selected)
    ranked = []
    for i, query in enumerate(queries):
        candidates = exact_scores(rows.scanner, slots[i], query, text_dim)
        slack = max(_LEAST_SLACK, _ROUNDING * float(np.linalg.norm(query)) * rows.scanner.longest)
        kth = float(np.partition(candidates.score, -ks[i])[-ks[i]])
        if scores[i, -1] >= kth - slack:
            tied = _with_ties(rows, query, ks[i], kth, slack, selected)
            candidates = exact_scores(rows.scanner, tied, query, text_dim)
        ranked.append(candidates)
    return ranked


def _search(
    rows: Rows,
    searcher: Searcher,
    queries: Scores,
    ks: list[int],
    selected: Bitmap,
    text_dim: int,
    effort: Effort,
) -> list[Ranked]:
    fetch = max(ks) + rows.overfetch
    inside, tail = _split(selected, rows.covered)
    packed = None if inside.count == rows.covered else inside.packed
    share = inside.count / rows.covered
    breadth = rows.breadth * min(1.0 / share, _MOST_EFFORT) if inside.count else 0.0
    found = _tail(rows, queries, fetch, tail, effort)
    if inside.count:
        met = _walk(searcher, queries, fetch, breadth, packed, effort)
        found = met if found is None else np.hstack([met, found])
    assert found is not None
    ranked: list[Ranked] = []
    for i, query in enumerate(queries):
        slots = _valid(found[i], selected)
        for _ in range(_WIDENINGS):
            if len(slots) >= min(ks[i], selected.count):
                break
            effort.widened += 1
            breadth *= _WIDEN
            met = _walk(searcher, query[None, :], fetch, breadth, packed, effort)
            slots = _valid(np.unique(np.concatenate([met[0], slots])), selected)
        if len(slots) < min(ks[i], selected.count):
            effort.compared += selected.count
            ranked += _scan(rows, query[None, :], [ks[i]], selected, text_dim)
        else:
            ranked.append(exact_scores(rows.scanner, slots, query, text_dim))
    return ranked


def _walk(
    searcher: Searcher, queries: Scores, fetch: int, breadth: float, packed: Any, effort: Effort
) -> SlotNumbers:
    before = _compared()
    _, slots = searcher.search(queries, fetch, breadth, packed)
    effort.compared += _compared() - before
    return slots


def _compared() -> int:
    """Vectors that Faiss compared so far, in the whole process: another thread's count too."""
    counts: Any = faiss.cvar
    return int(counts.hnsw_stats.ndis + counts.indexIVF_stats.ndis)


def _tail(rows: Rows, queries: Scores, fetch: int, tail: Bitmap, effort: Effort) -> SlotNumbers | None:
    """The best slots that the searcher does not cover yet."""
    if not tail.count:
        return None
    effort.compared += tail.count * len(queries)
    if tail.count <= fetch:
        return np.tile(tail.slots(), (len(queries), 1))
    return rows.scanner.search(queries, fetch, tail)[1]


@lru_cache(maxsize=64)
def _split(selected: Bitmap, covered: int) -> tuple[Bitmap, Bitmap]:
    """The selected slots below `covered` (a multiple of 64, or all), and those from there on."""
    if covered >= selected.n_slots:
        return selected, packed_bitmap(np.zeros_like(selected.packed), selected.n_slots)
    below, above = selected.packed.copy(), selected.packed.copy()
    below[covered // 8 :] = 0
    above[: covered // 8] = 0
    return packed_bitmap(below, selected.n_slots), packed_bitmap(above, selected.n_slots)


def _valid(slots: SlotNumbers, selected: Bitmap) -> SlotNumbers:
    """Only the slots that may be returned: nothing that an index gives back is believed."""
    inside = slots[(slots >= 0) & (slots < selected.n_slots)]
    return inside if selected.all else inside[selected.has(inside)]


def exact_scores(scanner: Scanner, slots: SlotNumbers, query: NDArray[np.float32], text_dim: int) -> Ranked:
    """Exact scores of these slots."""
    rows = scanner.rows(slots).astype(np.float64)
    asked = query.astype(np.float64)
    return Ranked(
        slots=slots,
        text_score=(rows[:, :text_dim] @ asked[:text_dim]).astype(np.float32),
        image_score=(rows[:, text_dim:] @ asked[text_dim:]).astype(np.float32),
    )


def _with_ties(
    rows: Rows, query: NDArray[np.float32], k: int, kth: float, slack: float, selected: Bitmap
) -> SlotNumbers:
    """All slots that may belong to the top k, although more of them score like the k-th than were fetched.

    Of the slots around the k-th score, those first in order are kept: exact for real ties (copies of a
    vector, items whose half the query does not ask about), however many there are.
    """
    scores, slots = rows.scanner.above(query, kth - 2 * slack, selected)
    above = slots[scores > kth + 2 * slack]
    around = slots[scores <= kth + 2 * slack]
    keep = k + TIED_LIMIT
    if len(around) > keep:
        around = around[np.argpartition(rows.order(around), keep)[:keep]]
    return np.concatenate([above, around])
