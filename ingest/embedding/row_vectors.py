"""The vectors of one document's rows: from its checkpoint, from the cache, or from the model, each row once."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from contracts.trace import TraceContext
from ingest.embedding.counting import EmbeddingCounts
from ingest.embedding.shared_batches import SharedBatches
from ingest.embedding.vector_cache import VectorCache

P = TypeVar("P")
R = TypeVar("R")


class RowVectors(Generic[P, R]):
    """Vectors of one tower of one space.

    Args:
        prepare: makes of a row what the model takes; runs in a thread, for the rows alone that are computed. Its
            errors are the document's.
    """

    def __init__(
        self, batches: SharedBatches[R], cache: VectorCache, prepare: Callable[[P], R], counts: EmbeddingCounts
    ) -> None:
        self._batches = batches
        self._cache = cache
        self._prepare = prepare
        self._counts = counts

    async def add(
        self, known: dict[bytes, bytes], rows: Mapping[bytes, P], *, priority: int, trace: TraceContext
    ) -> None:
        """Put the vectors of rows, named by their digests, into `known`; those in it already are left alone.

        Whatever ends this early, what was computed until then is in `known`.

        Raises:
            Overloaded, DependencyDown, DependencyFailed, DeadlineExceeded: some vectors could not be had.
        """
        missing = [one for one in rows if one not in known]
        remembered = await self._cache.get(missing)
        known.update(remembered)
        self._counts.rows("cached", len(remembered))
        left = [one for one in missing if one not in remembered]
        if not left:
            return
        prepared = await asyncio.to_thread(lambda: [self._prepare(rows[one]) for one in left])

        async def compute(one: bytes, row: R) -> None:
            shared = self._batches.holds(one)
            known[one] = await self._batches.vector(one, row, priority=priority, trace=trace)
            self._counts.rows("shared" if shared else "computed", 1)

        results = await asyncio.gather(
            *(compute(one, row) for one, row in zip(left, prepared, strict=True)), return_exceptions=True
        )
        await self._cache.put({one: known[one] for one in left if one in known})
        for result in results:
            if isinstance(result, BaseException):
                raise result
