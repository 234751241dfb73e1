"""The row vectors of every space that a stage embeds for: one queue to each model, one cache for all."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Generic, TypeVar

from ingest.embedding.counting import EmbeddingCounts
from ingest.embedding.row_vectors import RowVectors
from ingest.embedding.shared_batches import Compute, Pace, SharedBatches
from ingest.embedding.vector_cache import VectorCache

P = TypeVar("P")
R = TypeVar("R")


class SpaceVectors(Generic[P, R]):
    """Row vectors by space, opened when first asked for."""

    def __init__(self, cache: VectorCache, counts: EmbeddingCounts, pace: Pace) -> None:
        self._cache = cache
        self._counts = counts
        self._pace = pace
        self._opened: dict[str, RowVectors[P, R]] = {}

    async def of(
        self,
        space_id: str,
        rows_at_once: Callable[[], Awaitable[int]],
        prepare: Callable[[P], R],
        compute: Compute[R],
    ) -> RowVectors[P, R]:
        """Those of one space.

        Args:
            rows_at_once: asks the model how many rows one request may have: no call has more, so that what a
                request has brought is never waiting for another one.
            prepare, compute: see `RowVectors` and `SharedBatches`. All three count the first time.

        Raises:
            DependencyDown, DeadlineExceeded: the model did not say.
        """
        if space_id not in self._opened:
            pace = replace(self._pace, rows=min(self._pace.rows, await rows_at_once()))
            batches = SharedBatches(compute, pace, self._counts)
            self._opened.setdefault(space_id, RowVectors(batches, self._cache, prepare, self._counts))
        return self._opened[space_id]
