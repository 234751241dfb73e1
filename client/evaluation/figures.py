"""Figures of ranked lists, and how sure they are. Pure.

Definitions as in trec_eval with binary relevance, but for recall@k, which is capped: found among the first k, of
as many as could be there. Intervals are percentiles of the mean over queries drawn anew with replacement (Efron,
Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13). Two ways of ranking are compared query by query.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FIGURES = ("recall@1", "recall@10", "MRR", "nDCG@10")
# Cormack, Clarke, Büttcher, Reciprocal Rank Fusion outperforms Condorcet (SIGIR 2009).
_RRF = 60
_RESAMPLES = 5000
_SEED = 20261127
_CUT = 10


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over queries and its 95 % confidence interval."""

    mean: float
    low: float
    high: float


def gains(ranking: Sequence[str], relevant: Collection[str]) -> tuple[float, float, float, float]:
    """`FIGURES` of one list of documents, best first, each named once; MRR counts the whole list."""
    ranks = [rank for rank, document in enumerate(ranking, start=1) if document in relevant]
    ideal = sum(1 / math.log2(1 + rank) for rank in range(1, min(_CUT, len(relevant)) + 1))
    gained = sum(1 / math.log2(1 + rank) for rank in ranks if rank <= _CUT)
    return (
        _recall(ranks, relevant, 1),
        _recall(ranks, relevant, _CUT),
        1 / ranks[0] if ranks else 0.0,
        gained / ideal,
    )


def fused(rankings: Sequence[Sequence[str]]) -> list[str]:
    """Reciprocal-rank fusion of lists of documents; equals in the order of the first list that has them."""
    scores: dict[str, float] = {}
    for ranking in rankings:
        for rank, document in enumerate(ranking, start=1):
            scores[document] = scores.get(document, 0.0) + 1 / (_RRF + rank)
    return sorted(scores, key=lambda document: -scores[document])


def estimate(values: NDArray[np.float64]) -> Estimate:
    """The mean of a figure over queries.

    Args:
        values: float64 [n], of each query; or the difference of two ways at each query.
    """
    rng = np.random.default_rng(_SEED)
    drawn = rng.integers(len(values), size=(_RESAMPLES, len(values)))
    low, high = np.percentile(values[drawn].mean(axis=1), [2.5, 97.5])
    return Estimate(float(values.mean()), float(low), float(high))


def _recall(ranks: Sequence[int], relevant: Collection[str], k: int) -> float:
    return sum(rank <= k for rank in ranks) / min(k, len(relevant))
