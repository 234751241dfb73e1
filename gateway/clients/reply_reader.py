"""A thread that reads this gateway's partition of `search_res`, from the end, for as long as the process lives."""

import threading
import time
from collections.abc import Callable

import confluent_kafka as ck

from contracts.codec import decode
from contracts.errors import BadMessage, DependencyDown
from contracts.search import SearchReply
from contracts.topics import SEARCH_REPLIES
from runtime.kafka import Record, assigned_consumer, log_bounds, to_record
from runtime.telemetry import get_logger, trace_of
from runtime.tracing import record as record_span

_POLL_S = 0.25
_RETRY_S = 0.5
_BOUNDS_TIMEOUT_S = 2.0

_log = get_logger(__name__)


class ReplyReader:
    """Hands every reply to `deliver`, with the monotonic time of its arrival, in the reading thread.

    The partition is assigned at an offset that was asked for before, so that no reply to a request sent once
    `assigned` is True can be missed. An offset that is lost (the topic was made anew) means starting at the end
    again: replies to answered searches are of no use.
    """

    def __init__(
        self, bootstrap: str, client_id: str, partition: int, deliver: Callable[[SearchReply, float], None]
    ) -> None:
        self._bootstrap = bootstrap
        self._client_id = client_id
        self._partition = partition
        self._deliver = deliver
        self._assigned = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="search-replies", daemon=True)

    @property
    def assigned(self) -> bool:
        """Whether replies to requests sent from now on will be read."""
        return self._assigned.is_set()

    def start(self) -> None:
        """Begin to read; Kafka need not be there yet."""
        self._thread.start()

    def close(self) -> None:
        """Stop and wait for the thread. Blocks for up to a few seconds."""
        self._closing.set()
        self._thread.join(timeout=2 * _BOUNDS_TIMEOUT_S)

    def _run(self) -> None:
        consumer = assigned_consumer(self._bootstrap, self._client_id)
        try:
            while not self._closing.is_set():
                try:
                    self._assign_at_end(consumer)
                    self._read(consumer)
                except DependencyDown:
                    self._closing.wait(_RETRY_S)
                except BadMessage:
                    _log.warning("reply_offset_lost", partition=self._partition)
                except Exception as exc:  # noqa: BLE001 - the outermost loop of a thread
                    # Without this thread no search would ever be answered again.
                    _log.error("reply_reader_failed", exc_info=exc)
                    self._closing.wait(_RETRY_S)
                self._assigned.clear()
        finally:
            consumer.close()

    def _assign_at_end(self, consumer: ck.Consumer) -> None:
        bounds = log_bounds(consumer, SEARCH_REPLIES, [self._partition], _BOUNDS_TIMEOUT_S)
        consumer.assign([ck.TopicPartition(SEARCH_REPLIES, self._partition, bounds[self._partition][1])])
        self._assigned.set()

    def _read(self, consumer: ck.Consumer) -> None:
        while not self._closing.is_set():
            message = consumer.poll(_POLL_S)
            if message is None:
                continue
            try:
                record = to_record(message)
            except DependencyDown:
                # The client connects again by itself; its position stays.
                continue
            if record is None or not record.value:
                continue
            try:
                reply = decode(SearchReply, record.value)
            except BadMessage as exc:
                _log.warning("reply_unreadable", reason=exc.message)
                continue
            self._deliver(reply, time.monotonic())
            _record(record, reply)


def _record(record: Record, reply: SearchReply) -> None:
    """The reply's way over the bus, from the time that its record carries."""
    name = f"{record.topic} of shard {reply.shard}"
    record_span(name, trace_of(record.headers), record.timestamp_ms * 1_000_000, group=reply.group)
