"""Notices on their way to Kafka: kept until they are acknowledged, and sent again in order when they are not."""

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Protocol

from contracts.codec import Message
from contracts.errors import BadMessage, DependencyDown, Overloaded
from contracts.topics import DOCUMENT_STATUS
from contracts.trace import TraceContext
from index_service.notices import Notice
from runtime.kafka_producer import Sent
from runtime.telemetry import get_logger

_LOG = get_logger(__name__)
# Pause before something that the producer did not even queue is offered again.
_RETRY_S = 0.1


class Producer(Protocol):
    """The part of `runtime.kafka_producer.KafkaProducer` that an outbox needs."""

    def send(
        self,
        topic: str,
        message: Message,
        *,
        key: str | None = None,
        partition: int | None = None,
        trace: TraceContext | None = None,
    ) -> "Future[Sent]":
        """Queue a message."""
        ...


class Outbox:
    """Bounded queue of notices that are not acknowledged yet. Used by one thread.

    A notice that Kafka will never take is dropped with an error in the log: it must not hold up the others.

    Args:
        speaks: whether the shards tell what became of documents now; what they would have said else is dropped.
            Dead letters are always sent.
        limit: when this many wait, `full` is true and the owner stops producing.
    """

    def __init__(
        self, producer: Producer, *, speaks: Callable[[], bool] = lambda: True, limit: int = 2000
    ) -> None:
        self._producer = producer
        self._speaks = speaks
        self._limit = limit
        self._waiting: deque[tuple[Notice, Future[Sent] | None]] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def full(self) -> bool:
        """Whether the owner has to wait before it adds more."""
        return len(self._waiting) >= self._limit

    def put(self, notice: Notice) -> None:
        """Send a notice, and keep it until it is acknowledged."""
        if notice.topic == DOCUMENT_STATUS and not self._speaks():
            return
        self._waiting.append((notice, self._send(notice)))

    def tend(self) -> None:
        """Forget what was acknowledged. After a failure, everything from there on is sent again, in order:
        a later notice may replace an earlier one of the same key.
        """
        while self._waiting:
            _, future = self._waiting[0]
            if future is not None and not future.done():
                return
            error = future.exception() if future is not None else None
            if future is None or (error is not None and not isinstance(error, BadMessage)):
                self._waiting = deque((notice, self._send(notice)) for notice, _ in self._waiting)
                return
            notice, _ = self._waiting.popleft()
            if error is not None:
                _LOG.error("notice_not_sendable", topic=notice.topic, key=notice.key, reason=str(error))

    def drain(self, timeout_s: float) -> bool:
        """Wait until everything is acknowledged; False when that did not happen in time."""
        deadline = time.monotonic() + timeout_s
        self.tend()
        while self._waiting and (left_s := deadline - time.monotonic()) > 0:
            head = self._waiting[0][1]
            if head is None:
                time.sleep(min(left_s, _RETRY_S))
            else:
                wait([head], timeout=left_s)
            self.tend()
        return not self._waiting

    def _send(self, notice: Notice) -> "Future[Sent] | None":
        try:
            return self._producer.send(
                notice.topic, notice.message, key=notice.key, partition=notice.partition, trace=notice.trace
            )
        except (Overloaded, DependencyDown):
            return None
        except BadMessage as exc:
            refused: Future[Sent] = Future()
            refused.set_exception(exc)
            return refused
