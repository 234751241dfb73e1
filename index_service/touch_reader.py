"""The thread that counts touches: on which day documents were last seen in an answer.

It has a consumer of its own, so that touches can never hold up updates. What it misses is missed for good; expiry
thinks in months, and what is not known counts as seen.
"""

import threading
from collections.abc import Callable, Mapping, Sequence

import confluent_kafka as ck

from contracts.codec import decode
from contracts.errors import TriremeError
from contracts.metrics import INDEX_TOUCHES
from contracts.topics import index_touches
from contracts.touches import Touches
from index_service.backoff import Backoff
from index_service.hosted import HostedShard
from index_service.polling import poll_batch
from runtime.kafka import Record, assigned_consumer, log_bounds, to_record
from runtime.telemetry import Metrics, get_logger
from runtime.topics_admin import topic_identity

_LOG = get_logger(__name__)
_BATCH = 256
_POLL_S = 0.2
_KAFKA_TIMEOUT_S = 3.0


class TouchReader:
    """Counts the touches of some shards of one generation.

    Args:
        today: days since 1970.
    """

    def __init__(
        self,
        bootstrap: str,
        client_id: str,
        generation: str,
        hosted: Sequence[HostedShard],
        metrics: Metrics,
        *,
        today: Callable[[], int],
    ) -> None:
        self._bootstrap = bootstrap
        self._client_id = client_id
        self._topic = index_touches(generation)
        self._hosted: Mapping[int, HostedShard] = {one.spec.shard: one for one in hosted}
        self._counted = metrics.counter(INDEX_TOUCHES)
        self._today = today
        self._following = False

    def run(self, stop: threading.Event) -> None:
        """Count until `stop` is set; whatever fails is tried again."""
        backoff = Backoff()
        while not stop.is_set():
            try:
                self._follow(stop)
            except TriremeError as exc:
                _LOG.warning("touches_unreachable", reason=exc.message)
            except Exception:  # noqa: BLE001 - the outermost loop of the thread
                _LOG.exception("touch_loop_failed")
            went_well, self._following = self._following, False
            stop.wait(backoff.next_s(went_well=went_well))

    def _follow(self, stop: threading.Event) -> None:
        consumer = assigned_consumer(self._bootstrap, f"{self._client_id}-touches")
        try:
            identity = topic_identity(self._bootstrap, self._topic, timeout_s=_KAFKA_TIMEOUT_S)
            bounds = log_bounds(consumer, self._topic, self._hosted, _KAFKA_TIMEOUT_S)
            places = []
            for number, hosted in self._hosted.items():
                first, end = bounds[number]
                known = hosted.access.place(identity)
                start = known if known is not None and first <= known <= end else first
                places.append(ck.TopicPartition(self._topic, number, start))
            consumer.assign(places)
            self._following = True
            while not stop.is_set():
                for message in poll_batch(consumer, _BATCH, _POLL_S):
                    record = to_record(message)
                    if record is not None:
                        self._count(record, identity)
        finally:
            consumer.close()

    def _count(self, record: Record, identity: str) -> None:
        doc_ids: tuple[str, ...] = ()
        day = 0
        try:
            touches = decode(Touches, record.value)
            doc_ids, day = touches.doc_ids, touches.day
        except TriremeError as exc:
            _LOG.warning("touches_unreadable", offset=record.offset, reason=exc.message)
        access = self._hosted[record.partition].access
        access.count(doc_ids, day, today=self._today(), identity=identity, next_offset=record.offset + 1)
        self._counted.labels(str(record.partition)).inc(len(doc_ids))
