"""Tells the shards which documents answers have shown: gathered, once a day each, and sent behind the answers."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol

from contracts.codec import Message
from contracts.errors import DependencyDown, Overloaded
from contracts.ids import DEFAULT_TENANT, shard_of
from contracts.metrics import TOUCHES
from contracts.topics import index_touches
from contracts.touches import Touches, day_of
from gateway.core.clock import Clock
from runtime.kafka_producer import Sent
from runtime.telemetry import Metrics

_EVERY_S = 2.0
_MOST_WAITING = 20_000
# Documents that were told today; beyond, all are told anew.
_MOST_TOLD = 500_000
_DOCUMENTS_PER_RECORD = 500
_RECORDS_UNDER_WAY = 256


class Producer(Protocol):
    """Sends records; `runtime.kafka_producer.KafkaProducer` does."""

    def send(self, topic: str, message: Message, *, partition: int | None = None) -> "Future[Sent]":
        """Queue a message. Raises Overloaded, DependencyDown."""
        ...


@dataclass(frozen=True, slots=True)
class _Shown:
    """A document of a generation of so many shards."""

    generation: str
    n_shards: int
    doc_id: str


class KafkaTouches:
    """Gathers documents in memory, within bounds, and sends them every two seconds. Use it from one event loop.

    What cannot be sent waits for Kafka; what is more than fits is dropped and counted: it will be shown again, and
    expiry thinks in months.
    """

    def __init__(self, producer: Producer, metrics: Metrics, clock: Clock) -> None:
        self._producer = producer
        self._clock = clock
        self._counted = metrics.counter(TOUCHES)
        self._day = 0
        self._told: set[_Shown] = set()
        self._waiting: dict[_Shown, None] = {}
        self._under_way: list[tuple[Future[Sent], list[_Shown]]] = []

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["KafkaTouches"]:
        """Send what was gathered while the block lasts, and once more at its end."""
        task = asyncio.create_task(self._send_on())
        try:
            yield self
        finally:
            task.cancel()
            self.send_waiting()

    def note(self, generation: str, n_shards: int, doc_ids: Iterable[str]) -> None:
        """Documents were shown. Returns at once."""
        day = day_of(self._clock.unix_ms())
        if day != self._day or len(self._told) > _MOST_TOLD:
            self._day = day
            self._told.clear()
        for doc_id in doc_ids:
            shown = _Shown(generation, n_shards, doc_id)
            if shown in self._told:
                continue
            if len(self._waiting) >= _MOST_WAITING:
                self._counted.labels("dropped").inc()
                continue
            self._told.add(shown)
            self._waiting[shown] = None

    def send_waiting(self) -> None:
        """Hand what waits to Kafka's client; what it lost the last time first."""
        self._take_back_failed()
        waiting, self._waiting = self._waiting, {}
        records: dict[tuple[str, int], list[_Shown]] = {}
        for shown in waiting:
            records.setdefault((shown.generation, shard_of(shown.doc_id, shown.n_shards)), []).append(shown)
        for (generation, shard), documents in records.items():
            for start in range(0, len(documents), _DOCUMENTS_PER_RECORD):
                self._send(generation, shard, documents[start : start + _DOCUMENTS_PER_RECORD])

    async def _send_on(self) -> None:
        while True:
            await asyncio.sleep(_EVERY_S)
            self.send_waiting()

    def _send(self, generation: str, shard: int, documents: list[_Shown]) -> None:
        message = Touches(
            tenant=DEFAULT_TENANT,
            generation=generation,
            day=self._day,
            doc_ids=tuple(shown.doc_id for shown in documents),
        )
        try:
            if len(self._under_way) >= _RECORDS_UNDER_WAY:
                raise Overloaded("Too many records wait to be acknowledged.")
            future = self._producer.send(index_touches(generation), message, partition=shard)
        except (Overloaded, DependencyDown):
            self._wait_again(documents)
        else:
            self._under_way.append((future, documents))

    def _take_back_failed(self) -> None:
        still = []
        for future, documents in self._under_way:
            if not future.done():
                still.append((future, documents))
            elif future.exception() is None:
                self._counted.labels("sent").inc(len(documents))
            else:
                self._wait_again(documents)
        self._under_way = still

    def _wait_again(self, documents: list[_Shown]) -> None:
        for shown in documents:
            if len(self._waiting) < _MOST_WAITING:
                self._waiting[shown] = None
            else:
                self._told.discard(shown)
                self._counted.labels("dropped").inc()
