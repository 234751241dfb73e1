"""A log in memory that is like Kafka where workers can tell: partitions, offsets, groups, acknowledgements."""

import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import Future

from contracts.codec import Message, encode
from contracts.errors import DependencyDown
from contracts.ids import partition_of
from contracts.trace import TRACEPARENT, TraceContext
from ingest.consuming import Orders, Turn
from ingest.ledger import Partition
from runtime.kafka import Record
from runtime.kafka_producer import Sent


class MemoryLog:
    """Topics of `n_partitions` each. While `down` is set no record is acknowledged."""

    def __init__(self, n_partitions: int = 2) -> None:
        self.n_partitions = n_partitions
        self.down = False
        self.refusals = 0
        self.groups: dict[str, dict[Partition, int]] = {}
        self.changed = threading.Condition()
        self._topics: dict[str, list[list[Record]]] = {}

    def partitions(self, topic: str) -> list[list[Record]]:
        return self._topics.setdefault(topic, [[] for _ in range(self.n_partitions)])

    def records(self, topic: str) -> list[Record]:
        """All records of a topic, partition after partition."""
        return [record for partition in self.partitions(topic) for record in partition]

    def probe(self, topic: str, *, timeout_s: float = 2.0) -> None:
        if self.down:
            raise DependencyDown("kafka")

    def send(
        self,
        topic: str,
        message: Message,
        *,
        key: str | None = None,
        partition: int | None = None,
        trace: TraceContext | None = None,
    ) -> "Future[Sent]":
        headers = {TRACEPARENT: trace.header().encode()} if trace else {}
        return self.send_bytes(topic, encode(message), key=key, partition=partition, headers=headers)

    def send_bytes(
        self,
        topic: str,
        value: bytes,
        *,
        key: str | None = None,
        partition: int | None = None,
        headers: Mapping[str, bytes] | None = None,
    ) -> "Future[Sent]":
        future: Future[Sent] = Future()
        with self.changed:
            if self.down or self.refusals:
                self.refusals = max(0, self.refusals - 1)
                future.set_exception(DependencyDown("kafka"))
                return future
            place = partition if partition is not None else partition_of(key or "", self.n_partitions)
            records = self._topics.setdefault(topic, [])
            while len(records) <= max(place, self.n_partitions - 1):
                records.append([])
            record = Record(topic, place, len(records[place]), key, value, dict(headers or {}), 0)
            records[place].append(record)
            self.changed.notify_all()
        future.set_result(Sent(place, record.offset))
        return future


class MemorySource:
    """A group's only member, with all partitions of its topics. A new one begins where the group committed."""

    def __init__(self, log: MemoryLog, group: str, topics: Iterable[str]) -> None:
        self._log = log
        self._committed = log.groups.setdefault(group, {})
        self._partitions = [(topic, place) for topic in topics for place in range(log.n_partitions)]
        self._positions = {p: self._committed.get(p, 0) for p in self._partitions}
        self._told = False
        self.dead = False
        self.turns = 0
        self.revoke: set[Partition] = set()

    def turn(self, orders: Orders) -> Turn:
        self.turns += 1
        turn = Turn()
        if not self._told:
            self._told = True
            turn.assigned = set(self._partitions)
        if self.revoke:
            turn.revoked = turn.assigned = self.revoke
            self.revoke = set()
            self._positions.update({p: self._committed.get(p, 0) for p in turn.revoked})
        if not self.dead:
            self._committed.update(orders.commit)
        with self._log.changed:
            self._log.changed.wait_for(lambda: self._read(orders, turn), timeout=orders.wait_s)
        return turn

    def close(self, commit: Mapping[Partition, int]) -> None:
        if not self.dead:
            self._committed.update(commit)

    def _read(self, orders: Orders, turn: Turn) -> bool:
        for partition in self._partitions:
            if partition in orders.resting:
                continue
            topic, place = partition
            waiting = self._log.partitions(topic)[place][self._positions[partition] :]
            taken = waiting[: orders.room - len(turn.records)]
            turn.records += taken
            self._positions[partition] += len(taken)
        return bool(turn.records)
