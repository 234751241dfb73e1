"""The thread that reads the topics of experiments from their beginning, definitions first, then follows them."""

import threading
from collections.abc import Callable, Sequence

import confluent_kafka as ck

from contracts.codec import decode
from contracts.errors import BadMessage, DependencyDown
from contracts.experiment_events import ExperimentEvent
from contracts.experiments import Experiment
from contracts.topics import EXPERIMENT_EVENTS, EXPERIMENTS
from runtime.kafka import Record, assigned_consumer, log_bounds, to_record
from runtime.telemetry import get_logger
from runtime.topics_admin import topic_identity

_BATCH_RECORDS = 500
_POLL_S = 0.2
_KAFKA_TIMEOUT_S = 10.0
_RETRY_S = 1.0
_log = get_logger(__name__)


class ExperimentReader:
    """Calls `take` with new records, in the order of each log, and with nothing when a moment brings none.

    Args:
        renew: called before everything is read again, because the logs are other ones.
    """

    def __init__(
        self,
        bootstrap: str,
        client_id: str,
        *,
        take: Callable[[Sequence[Experiment | ExperimentEvent]], None],
        renew: Callable[[], None],
    ) -> None:
        self._bootstrap = bootstrap
        self._client_id = client_id
        self._take = take
        self._renew = renew
        self._identity: str | None = None
        self._next: dict[str, int] = {}
        self._stop = threading.Event()
        self._caught_up = threading.Event()
        self._thread = threading.Thread(target=self._run, name="experiment-reader", daemon=True)

    @property
    def caught_up(self) -> bool:
        """Whether the ends of both logs were reached once."""
        return self._caught_up.is_set()

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread, within the time of one call to Kafka."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=_KAFKA_TIMEOUT_S)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._follow()
            except DependencyDown:
                _log.warning("experiment_log_unreachable", retry_s=_RETRY_S)
                # Time goes on without Kafka: guardrails that cannot be seen to hold end experiments here.
                self._take(())
            except BadMessage as exc:
                _log.warning("experiments_read_anew", why=exc.message)
                self._identity = None
            except Exception as exc:  # noqa: BLE001 - the outermost loop of a thread
                _log.error("experiment_reader_failed", exc_info=exc)
            self._stop.wait(_RETRY_S)

    def _follow(self) -> None:
        """Read until stopped. Raises DependencyDown, BadMessage."""
        identity = "/".join(
            topic_identity(self._bootstrap, topic, timeout_s=_KAFKA_TIMEOUT_S)
            for topic in (EXPERIMENTS, EXPERIMENT_EVENTS)
        )
        if identity != self._identity:
            self._renew()
            self._caught_up.clear()
            self._next, self._identity = {}, identity
        consumer = assigned_consumer(self._bootstrap, f"{self._client_id}-experiments", partition_eof=True)
        try:
            # Definitions first: events of runs that are over need not be counted.
            unread = {EXPERIMENTS}
            self._assign(consumer, unread)
            while unread and not self._stop.is_set():
                unread -= self._read(consumer)
            unread = {EXPERIMENTS, EXPERIMENT_EVENTS}
            self._assign(consumer, unread)
            while not self._stop.is_set():
                unread -= self._read(consumer)
                if not unread:
                    self._caught_up.set()
        except ck.KafkaException as exc:
            raise DependencyDown("kafka") from exc
        finally:
            consumer.close()

    def _assign(self, consumer: ck.Consumer, topics: set[str]) -> None:
        starts = []
        for topic in sorted(topics):
            first = log_bounds(consumer, topic, [0], _KAFKA_TIMEOUT_S)[0][0]
            starts.append(ck.TopicPartition(topic, 0, max(first, self._next.get(topic, first))))
        consumer.assign(starts)

    def _read(self, consumer: ck.Consumer) -> set[str]:
        """Take what there is; returns topics whose end was reached."""
        records: list[Experiment | ExperimentEvent] = []
        reached: set[str] = set()
        for message in consumer.consume(_BATCH_RECORDS, timeout=_POLL_S):
            record = to_record(message)
            if record is None:
                reached.add(str(message.topic()))
                continue
            self._next[record.topic] = record.offset + 1
            if (read := _decoded(record)) is not None:
                records.append(read)
        self._take(records)
        return reached


def _decoded(record: Record) -> Experiment | ExperimentEvent | None:
    if not record.value:
        return None
    try:
        if record.topic == EXPERIMENTS:
            return decode(Experiment, record.value)
        return decode(ExperimentEvent, record.value)
    except BadMessage as exc:
        _log.warning("experiment_record_unreadable", topic=record.topic, offset=record.offset, why=exc.message)
        return None
