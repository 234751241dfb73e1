"""How long searches take: closed loop, one caller, whole passes over the same queries in batches of one size."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.percentiles import percentile

Search = Callable[[NDArray[np.float32]], Any]


@dataclass(frozen=True, slots=True)
class Timing:
    """One run. A batch's time is the time of its call; queries a second count its queries.

    Args:
        batch: queries in a call.
    """

    batch: int
    calls: int
    per_s: float
    p50_ms: float
    p99_ms: float


def time_searches(search: Search, queries: NDArray[np.float32], batch: int, *, least_s: float) -> Timing:
    """Search `queries` [n, dim] again and again, in whole passes, for at least so long; one call warms up."""
    batches = [queries[i : i + batch] for i in range(0, len(queries) - batch + 1, batch)]
    search(batches[0])
    took: list[float] = []
    while sum(took) < least_s:
        for each in batches:
            began = time.perf_counter()
            search(each)
            took.append(time.perf_counter() - began)
    return Timing(
        batch=batch,
        calls=len(took),
        per_s=batch * len(took) / sum(took),
        p50_ms=1000 * percentile(took, 50),
        p99_ms=1000 * percentile(took, 99),
    )
