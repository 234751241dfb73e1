"""What an embedder's process opens for its handler: cache, batches and checkpoints, as its settings say."""

import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from contracts.topics import Stage
from ingest.embedding.checkpoint import Checkpoints
from ingest.embedding.counting import EmbeddingCounts
from ingest.embedding.shared_batches import Pace
from ingest.embedding.spaces import SpaceVectors
from ingest.embedding.vector_cache import NoVectorCache, RedisVectorCache, VectorCache
from ingest.settings import EmbedderSettings
from runtime.object_store import ObjectStore
from runtime.telemetry import Metrics


@dataclass(frozen=True, slots=True)
class Embedding:
    """The parts that a handler is given."""

    vectors: SpaceVectors[Any, Any]
    checkpoints: Checkpoints


@contextlib.asynccontextmanager
async def open_embedding(
    settings: EmbedderSettings, stage: Stage, store: ObjectStore, metrics: Metrics
) -> AsyncIterator[Embedding]:
    """The parts, for as long as the block lasts."""
    counts = EmbeddingCounts(metrics, stage)
    pace = Pace(settings.embed_batch, settings.bulk_batch, settings.calls_in_flight)
    checkpoints = Checkpoints(store, counts, every_s=settings.checkpoint_s)
    async with contextlib.AsyncExitStack() as parts:
        cache: VectorCache = NoVectorCache()
        if settings.vector_cache_rows:
            redis = RedisVectorCache(settings.redis_url, rows=settings.vector_cache_rows, clock=time.monotonic)
            parts.push_async_callback(redis.close)
            cache = redis
        yield Embedding(SpaceVectors(cache, counts, pace), checkpoints)
