"""What an index process shows of its shards at /metrics: state from time to time, searches as they happen."""

from collections.abc import Sequence

from contracts.metrics import (
    INDEX_APPLIED_OFFSET,
    INDEX_DEAD_RATIO,
    INDEX_DOCUMENTS,
    INDEX_ITEMS,
    INDEX_LAG_RECORDS,
    INDEX_LAG_SECONDS,
    INDEX_MEMORY_BYTES,
    INDEX_SCANNED,
    INDEX_SEGMENTS,
    INDEX_SHORT,
    INDEX_WIDENED,
)
from index_service.hosted import HostedShard
from index_service.measures import dead_share, memory_bytes
from index_service.parts import Found
from runtime.telemetry import Metrics


class ShardGauges:
    """State of shards. Set by the thread that applies updates."""

    def __init__(self, metrics: Metrics) -> None:
        self._items = metrics.gauge(INDEX_ITEMS)
        self._documents = metrics.gauge(INDEX_DOCUMENTS)
        self._applied = metrics.gauge(INDEX_APPLIED_OFFSET)
        self._lag = metrics.gauge(INDEX_LAG_RECORDS)
        self._lag_s = metrics.gauge(INDEX_LAG_SECONDS)
        self._dead = metrics.gauge(INDEX_DEAD_RATIO)
        self._segments = metrics.gauge(INDEX_SEGMENTS)
        self._memory = metrics.gauge(INDEX_MEMORY_BYTES)

    def show(self, hosted: HostedShard, now_ms: int) -> None:
        """Show a shard as it is now."""
        number, shard = str(hosted.spec.shard), hosted.shard
        self._items.labels(number).set(shard.n_items)
        self._documents.labels(number).set(shard.n_documents)
        if hosted.applied_offset is not None:
            self._applied.labels(number).set(hosted.applied_offset)
        self._lag.labels(number).set(hosted.lag)
        self._lag_s.labels(number).set(hosted.lag_s(now_ms))
        self._dead.labels(number).set(dead_share(shard))
        self._segments.labels(number).set(len(shard.sealed))
        for part, size_bytes in memory_bytes(shard).items():
            self._memory.labels(number, part).set(size_bytes)


class SearchCounters:
    """Searches of shards. Told by the thread that answers."""

    def __init__(self, metrics: Metrics) -> None:
        self._scanned = metrics.counter(INDEX_SCANNED)
        self._short = metrics.counter(INDEX_SHORT)
        self._widened = metrics.counter(INDEX_WIDENED)

    def count(self, shard: int, batch: Sequence[Found]) -> None:
        """Count the answers to one batch of queries."""
        number = str(shard)
        self._scanned.labels(number).inc(sum(found.scanned for found in batch))
        self._short.labels(number).inc(sum(found.short for found in batch))
        # Of a batch, every answer tells how many of its searches were widened.
        self._widened.labels(number).inc(max((found.widened for found in batch), default=0))
