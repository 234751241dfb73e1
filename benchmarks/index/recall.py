"""Recall@10 against exact search: at each pair of weights, and for each kind of item that should have come."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.index.asked import ALL_PAIRS, PAIRS, Asked
from benchmarks.index.joint_vectors import Kind

WANTED_RECALL = 0.95

Ids = NDArray[np.int64]
Find = Callable[[NDArray[np.float32]], Ids]


@dataclass(frozen=True, slots=True)
class Recall:
    """Shares of the true top 10 that were found.

    Args:
        by_pair: one per pair of `ALL_PAIRS`.
        text, picture: of the true hits of all promised pairs that are texts, and that are pictures.
    """

    by_pair: tuple[float, ...]
    text: float
    picture: float

    @property
    def worst(self) -> float:
        """The smallest of all that is promised: the four pairs and both kinds."""
        return min(*self.by_pair[: len(PAIRS)], self.text, self.picture)

    @property
    def mean(self) -> float:
        """Over the promised pairs: what queries of mixed weights see, and what curves are compared at."""
        return float(np.mean(self.by_pair[: len(PAIRS)]))


def recall_of(find: Find, asked: Asked, truth: Ids, kinds: NDArray[np.uint8]) -> Recall:
    """Ask everything and count.

    Args:
        find: float32 [m, dim] to int64 [m, >= 10] row numbers; -1 where there is none.
        truth: int64 [pairs, n, 10].
        kinds: a `Kind` per row of the corpus.
    """
    hit = np.stack([found_of(find(queries), truth[i]) for i, queries in enumerate(asked.by_pair)])
    assert len(hit) == len(ALL_PAIRS)
    promised, is_text = hit[: len(PAIRS)], kinds[truth[: len(PAIRS)]] == Kind.TEXT
    return Recall(
        by_pair=tuple(float(pair.mean()) for pair in hit),
        text=_mean(promised[is_text]),
        picture=_mean(promised[~is_text]),
    )


def found_of(found: Ids, truth: Ids) -> NDArray[np.bool_]:
    """For each true hit [m, 10], whether it is in its query's row of `found` [m, any]."""
    among: NDArray[np.bool_] = (truth[:, :, None] == found[:, None, :]).any(axis=2)
    return among


def _mean(hits: NDArray[np.bool_]) -> float:
    return float(hits.mean()) if hits.size else 1.0
