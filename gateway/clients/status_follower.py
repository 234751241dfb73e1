"""Reads `document_status` into the SQLite file, in a thread of its own, for as long as the gateway lives.

All partitions are assigned by hand from the offsets in the file. When the log is another one, or no longer holds
those offsets, the file is emptied and filled from the log's beginning.
"""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import confluent_kafka as ck

from contracts.codec import decode
from contracts.errors import BadMessage, DependencyDown
from contracts.status import StageEvent
from contracts.topics import DOCUMENT_STATUS
from gateway.clients.status_rows import StatusRows
from runtime.kafka import Record, assigned_consumer, log_bounds, to_record
from runtime.telemetry import get_logger
from runtime.topics_admin import topic_identity

_log = get_logger(__name__)

_BATCH_RECORDS = 500
_POLL_S = 0.2
_KAFKA_TIMEOUT_S = 10.0
_RETRY_S = 1.0


class StatusFollower:
    """The thread that keeps the file up to date.

    Args:
        open_rows: opens the thread's own connection to the file.
        changed: called from the thread with the (tenant, doc_id) pairs of every batch that changed something,
            and the mark that was reached.
    """

    def __init__(
        self,
        bootstrap: str,
        client_id: str,
        *,
        open_rows: Callable[[], StatusRows],
        changed: Callable[[set[tuple[str, str]], str], None],
    ) -> None:
        self._bootstrap = bootstrap
        self._client_id = client_id
        self._open_rows = open_rows
        self._changed = changed
        self._stop = threading.Event()
        self._caught_up = threading.Event()
        self._thread = threading.Thread(target=self._run, name="status-follower", daemon=True)

    @property
    def caught_up(self) -> bool:
        """Whether the end of the log was reached once."""
        return self._caught_up.is_set()

    def start(self) -> None:
        """Begin to follow the log."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread, within the time of one call to Kafka."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=_KAFKA_TIMEOUT_S)

    def _run(self) -> None:
        rows = self._open_rows()
        try:
            while not self._stop.is_set():
                try:
                    self._follow(rows)
                except DependencyDown:
                    _log.warning("status_log_unreachable", retry_s=_RETRY_S)
                    self._stop.wait(_RETRY_S)
                except BadMessage as exc:
                    _log.warning("status_rows_dropped", why=exc.message)
                    rows.reset(rows.identity() or "")
                except Exception as exc:  # noqa: BLE001 - the outermost loop of a thread
                    # A full disk, a locked file, a broker that answers halfway: without this thread the view of
                    # documents would stand still unnoticed. What was read so far is in the file.
                    _log.error("status_follower_failed", exc_info=exc)
                    self._stop.wait(_RETRY_S)
        finally:
            rows.close()

    def _follow(self, rows: StatusRows) -> None:
        """Read the log until stopped.

        Raises:
            DependencyDown: Kafka went away.
            BadMessage: the log no longer holds the stored offsets.
        """
        identity = topic_identity(self._bootstrap, DOCUMENT_STATUS, timeout_s=_KAFKA_TIMEOUT_S)
        if rows.identity() != identity:
            _log.info("status_log_read_from_beginning", identity=identity)
            rows.reset(identity)
        consumer = assigned_consumer(self._bootstrap, f"{self._client_id}-status", partition_eof=True)
        try:
            unread = self._assign(consumer, rows.offsets())
            while not self._stop.is_set():
                unread -= self._take(rows, consumer.consume(_BATCH_RECORDS, timeout=_POLL_S))
                if not unread:
                    self._caught_up.set()
        except ck.KafkaException as exc:
            raise DependencyDown("kafka") from exc
        finally:
            consumer.close()

    def _assign(self, consumer: ck.Consumer, stored: dict[int, int]) -> set[int]:
        """Start every partition where the file left off; returns the partitions."""
        partitions = set(
            consumer.list_topics(DOCUMENT_STATUS, timeout=_KAFKA_TIMEOUT_S).topics[DOCUMENT_STATUS].partitions
        )
        if not partitions:
            raise DependencyDown("kafka")
        bounds = log_bounds(consumer, DOCUMENT_STATUS, partitions, _KAFKA_TIMEOUT_S)
        if any(not bounds[p][0] <= offset <= bounds[p][1] for p, offset in stored.items() if p in bounds):
            raise BadMessage("The log of document states no longer holds the offsets that were read last.")
        consumer.assign([ck.TopicPartition(DOCUMENT_STATUS, p, stored.get(p, bounds[p][0])) for p in partitions])
        return partitions

    def _take(self, rows: StatusRows, messages: list[Any]) -> set[int]:
        """Apply what was read; returns the partitions whose end was reached.

        An error among the messages is raised after the records before it are kept.
        """
        records: list[Record] = []
        ended: set[int] = set()
        failure: DependencyDown | BadMessage | None = None
        for message in messages:
            try:
                record = to_record(message)
            except (DependencyDown, BadMessage) as exc:
                failure = exc
                break
            if record is None:
                ended.add(message.partition())
            else:
                records.append(record)
        if records:
            changed = rows.apply(_events(records), {r.partition: r.offset + 1 for r in records})
            if changed:
                self._changed(changed, rows.mark())
        if failure is not None:
            raise failure
        return ended


def _events(records: list[Record]) -> Iterator[StageEvent]:
    for record in records:
        if not record.value:
            continue
        try:
            yield decode(StageEvent, record.value)
        except BadMessage as exc:
            _log.warning(
                "status_record_unreadable", partition=record.partition, offset=record.offset, why=exc.message
            )
