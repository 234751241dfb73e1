"""Publishes records and waits until Kafka has them, for as long as it takes."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Protocol

from contracts.codec import Message
from contracts.errors import DependencyDown, Overloaded
from contracts.trace import TraceContext
from ingest.work import Outgoing
from runtime.kafka_producer import Sent
from runtime.telemetry import get_logger

_log = get_logger(__name__)

_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 5.0


class RecordSink(Protocol):
    """Where records go; `runtime.kafka_producer.KafkaProducer` is one."""

    def send(
        self,
        topic: str,
        message: Message,
        *,
        key: str | None = None,
        partition: int | None = None,
        trace: TraceContext | None = None,
    ) -> "Future[Sent]":
        """Queue a record."""
        ...


async def publish(
    sink: RecordSink, outgoing: Sequence[Outgoing], trace: TraceContext, *, first_wait_s: float = _FIRST_WAIT_S
) -> None:
    """Publish all of `outgoing` and return once every record is acknowledged.

    A record that Kafka does not take is sent again, without end: there is nowhere else to put it, and the work it
    comes from stays uncommitted meanwhile. The caller's cancellation ends the wait.

    Raises:
        BadMessage: a record is larger than Kafka accepts.
    """
    left, wait_s = list(outgoing), first_wait_s
    while True:
        left = await _try(sink, left, trace)
        if not left:
            return
        _log.warning("publish_failed", records=len(left), topics=sorted({o.topic for o in left}), retry_s=wait_s)
        await asyncio.sleep(wait_s)
        wait_s = min(2 * wait_s, _LONGEST_WAIT_S)


async def _try(sink: RecordSink, outgoing: Sequence[Outgoing], trace: TraceContext) -> list[Outgoing]:
    """Send each record once; returns those that were not acknowledged."""
    failed: list[Outgoing] = []
    sent: list[tuple[Outgoing, Future[Sent]]] = []
    for record in outgoing:
        try:
            future = sink.send(
                record.topic, record.message, key=record.key, partition=record.partition, trace=trace
            )
        except (DependencyDown, Overloaded):
            failed.append(record)
        else:
            sent.append((record, future))
    for record, future in sent:
        try:
            # Shielded: a cancelled waiter must not cancel the future that the client's thread will complete.
            await asyncio.shield(asyncio.wrap_future(future))
        except DependencyDown:
            failed.append(record)
    return failed
