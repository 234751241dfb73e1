"""Queries: held-out points asked with every pair of weights, and how the right answers are counted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.index.joint_vectors import JointVectors

K = 10

# What recall is promised for, and one pair that pushes away, which nothing is promised for.
PAIRS: tuple[tuple[float, float], ...] = ((1.0, 1.0), (1.0, 0.0), (0.0, 1.0), (1.0, 0.3))
PUSHING_AWAY = (1.0, -0.3)
ALL_PAIRS = (*PAIRS, PUSHING_AWAY)


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """The same `n` held-out points under each pair of weights.

    Args:
        by_pair: float32 [n, dim] for each of `ALL_PAIRS`.
        mixed: float32 [n, dim] for timing: the promised pairs in turn, so that no cache likes one of them.
    """

    by_pair: tuple[NDArray[np.float32], ...]
    mixed: NDArray[np.float32]


def asked_of(vectors: JointVectors, n: int) -> Asked:
    """`n` queries for each pair: `[w_t * t ; w_v * v]`, not renormalised, as the gateway makes them."""
    text, image = vectors.held_out(n)
    by_pair = tuple(np.hstack([np.float32(w_t) * text, np.float32(w_v) * image]) for w_t, w_v in ALL_PAIRS)
    turn = np.arange(n) % len(PAIRS)
    mixed = np.stack(by_pair[: len(PAIRS)])[turn, np.arange(n)]
    return Asked(by_pair, np.ascontiguousarray(mixed))
