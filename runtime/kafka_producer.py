"""Sending records to Kafka: same partitioner everywhere, acknowledgements as futures, a bounded queue."""

import contextlib
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Literal

import confluent_kafka as ck

from contracts.codec import Message, encode
from contracts.errors import BadMessage, DependencyDown, Overloaded
from contracts.trace import TRACEPARENT, TraceContext
from runtime.kafka_address import connection

_SEND_QUEUE_RECORDS = 100_000
_PURGE_TIMEOUT_S = 5.0
# What the broker refuses for the record's own sake; sending it again would be refused again.
_REFUSED_FOR_GOOD = frozenset(
    {
        ck.KafkaError.MSG_SIZE_TOO_LARGE,
        ck.KafkaError.RECORD_LIST_TOO_LARGE,
        ck.KafkaError.INVALID_RECORD,
        ck.KafkaError.INVALID_MSG,
    }
)


@dataclass(frozen=True, slots=True)
class Sent:
    """Where an acknowledged record lies in the log."""

    partition: int
    offset: int


class KafkaProducer:
    """Sends records and tells when they are acknowledged. Thread-safe.

    Args:
        acks: "all" for everything that must not be lost (idempotent), "1" for search traffic.
        delivery_timeout_s: after this long without acknowledgement a record has failed.
    """

    def __init__(
        self,
        bootstrap: str,
        client_id: str,
        *,
        acks: Literal["all", "1"] = "all",
        delivery_timeout_s: float = 30.0,
    ) -> None:
        self._config: dict[str, Any] = {
            **connection(bootstrap),
            "client.id": client_id,
            "acks": acks,
            "enable.idempotence": acks == "all",
            "partitioner": "murmur2_random",
            "linger.ms": 0,
            "message.timeout.ms": int(delivery_timeout_s * 1000),
            "queue.buffering.max.messages": _SEND_QUEUE_RECORDS,
            "reconnect.backoff.max.ms": 1000,
            "socket.keepalive.enable": True,
            "log_level": 2,
            "error_cb": self._on_error,
        }
        self._producer = ck.Producer(self._config)
        self._reachable = True
        self._failed = 0
        self._closing = threading.Event()
        self._poller = threading.Thread(target=self._poll, name=f"{client_id}-acks", daemon=True)
        self._poller.start()

    @property
    def reachable(self) -> bool:
        """False once all brokers were reported down, until something is acknowledged again."""
        return self._reachable

    def send(
        self,
        topic: str,
        message: Message,
        *,
        key: str | None = None,
        partition: int | None = None,
        trace: TraceContext | None = None,
    ) -> "Future[Sent]":
        """Queue a message; the future ends with its place in the log, with DependencyDown (send it again), or
        with BadMessage (the broker will never take it).

        Raises:
            Overloaded: the local queue is full.
        """
        headers = {TRACEPARENT: trace.header().encode()} if trace else {}
        return self.send_bytes(topic, encode(message), key=key, partition=partition, headers=headers)

    def send_bytes(
        self,
        topic: str,
        value: bytes | None,
        *,
        key: str | None = None,
        partition: int | None = None,
        headers: Mapping[str, bytes] | None = None,
    ) -> "Future[Sent]":
        """Like `send`, for a value that is encoded already; None deletes the key of a compacted topic."""
        future: Future[Sent] = Future()
        # From here on nobody can cancel it: its result is set in the client's thread, which must not fail.
        future.set_running_or_notify_cancel()

        def acknowledged(error: ck.KafkaError | None, message: Any) -> None:
            if error is None:
                self._reachable = True
                future.set_result(Sent(message.partition(), message.offset()))
            else:
                self._failed += 1
                future.set_exception(_as_our_error(error))

        arguments: dict[str, Any] = {"on_delivery": acknowledged, "headers": list((headers or {}).items())}
        if key is not None:
            arguments["key"] = key.encode()
        if partition is not None:
            arguments["partition"] = partition
        try:
            self._producer.produce(topic, value, **arguments)
        except BufferError as exc:
            raise Overloaded("The queue to Kafka is full.", retry_after_s=2.0) from exc
        except ck.KafkaException as exc:
            raise _as_our_error(exc.args[0]) from exc
        return future

    def probe(self, topic: str, *, timeout_s: float = 2.0) -> None:
        """Ask the brokers whether a topic can take records now. Blocks up to `timeout_s`.

        Raises:
            DependencyDown: no answer in time, or a partition has no leader.
        """
        try:
            metadata = self._producer.list_topics(topic, timeout=timeout_s).topics[topic]
        except ck.KafkaException as exc:
            self._reachable = False
            raise DependencyDown("kafka") from exc
        if metadata.error is not None or any(p.leader < 0 for p in metadata.partitions.values()):
            raise DependencyDown("kafka")
        self._reachable = True

    def flush(self, timeout_s: float) -> None:
        """Wait until everything sent so far is acknowledged.

        Raises:
            DependencyDown: something was not acknowledged in time, or failed since the last flush.
        """
        left = self._producer.flush(timeout_s)
        failed, self._failed = self._failed, 0
        if left or failed:
            raise DependencyDown("kafka")

    def close(self, timeout_s: float = 5.0) -> None:
        """Wait a little for what is on its way, then stop."""
        self._producer.flush(timeout_s)
        self._closing.set()
        self._poller.join(timeout=2.0)

    def _on_error(self, error: ck.KafkaError) -> None:
        if error.code() == ck.KafkaError._ALL_BROKERS_DOWN:
            self._reachable = False

    def _poll(self) -> None:
        while not self._closing.is_set():
            try:
                self._producer.poll(0.2)
            except ck.KafkaException:
                self._renew()

    def _renew(self) -> None:
        """After a fatal error (the broker has lost count of our records) this client never sends again.

        What it still holds fails, so that whoever sent it tries again, and another client takes its place.
        """
        broken, self._producer = self._producer, ck.Producer(self._config)
        broken.purge()
        with contextlib.suppress(ck.KafkaException):
            broken.flush(_PURGE_TIMEOUT_S)


def _as_our_error(error: ck.KafkaError) -> BadMessage | DependencyDown:
    if error.code() in _REFUSED_FOR_GOOD:
        return BadMessage("The record is larger than Kafka accepts, or not one that it takes.")
    return DependencyDown("kafka")
