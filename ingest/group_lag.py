"""How far a member of a consumer group is behind its topics, without asking the broker."""

import time
from collections import Counter
from collections.abc import Iterable

import confluent_kafka as ck
from prometheus_client import Gauge

from contracts.metrics import WORKER_LAG
from ingest.ledger import Partition
from runtime.telemetry import Metrics

_EVERY_S = 1.0


class GroupLag:
    """Sets `trireme_worker_lag_records` by topic, at most once a second.

    The client hears a partition's end with every fetch, so this costs no request; paused partitions keep the end
    that was heard last.
    """

    def __init__(self, metrics: Metrics, worker: str) -> None:
        self._gauge: Gauge = metrics.gauge(WORKER_LAG)
        self._worker = worker
        self._next_s = 0.0
        self._shown: set[str] = set()

    def measure(self, consumer: ck.Consumer, assigned: Iterable[Partition]) -> None:
        """Take a reading, if one is due. Topics whose partitions went to other members drop to 0."""
        now_s = time.monotonic()
        if now_s < self._next_s:
            return
        self._next_s = now_s + _EVERY_S
        behind: Counter[str] = Counter(dict.fromkeys(self._shown, 0))
        for position in consumer.position([ck.TopicPartition(*partition) for partition in assigned]):
            bounds = consumer.get_watermark_offsets(position, cached=True)
            known = bounds is not None and position.offset >= 0
            behind[position.topic] += max(0, bounds[1] - position.offset) if known else 0
        for topic, records in behind.items():
            self._gauge.labels(worker=self._worker, topic=topic).set(records)
        self._shown = set(behind)
