"""The order in which waiting records are worked on, and which partitions shall rest meanwhile. Pure.

Three lanes: `live` (people's files), `delayed` (retries and deadlines, each left alone until it is due, then live)
and `bulk` (backfills, begun only while nothing live waits or is worked on). Records of one document are never
worked on at the same time, and keep their order within a partition.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from ingest.ledger import Partition
from runtime.kafka import Record

Lane = Literal["live", "delayed", "bulk"]


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a worker takes on.

    Args:
        in_flight: records worked on at once. Backfills leave one of these places free where there are several.
        waiting: records held in memory before all partitions rest.
    """

    in_flight: int = 2
    waiting: int = 64


@dataclass(slots=True)
class Lanes:
    """The records that a worker has read and not finished."""

    limits: Limits
    lane_of_topic: dict[str, Lane]
    assigned: set[Partition] = field(default_factory=set)
    _live: deque[Record] = field(default_factory=deque)
    _bulk: deque[Record] = field(default_factory=deque)
    _held: dict[Partition, deque[tuple[int, Record]]] = field(default_factory=dict)
    _working: dict[str, Lane] = field(default_factory=dict)

    def accept(self, record: Record, due_ms: int = 0) -> None:
        """Take in a record that was read."""
        lane = self.lane_of_topic[record.topic]
        if lane == "delayed":
            self._held.setdefault((record.topic, record.partition), deque()).append((due_ms, record))
        elif lane == "bulk":
            self._bulk.append(record)
        else:
            self._live.append(record)

    def start(self, now_ms: int) -> Record | None:
        """The next record to work on, or None while none may begin."""
        if len(self._working) >= self.limits.in_flight:
            return None
        self._release_due(now_ms)
        record = self._take(self._live)
        lane: Lane = "live"
        if record is None and self._bulk_may_begin():
            record, lane = self._take(self._bulk), "bulk"
        if record is not None:
            self._working[_key(record)] = lane
        return record

    def finish(self, record: Record) -> None:
        """A record that was started is finished."""
        self._working.pop(_key(record), None)

    def forget(self, partitions: Iterable[Partition]) -> None:
        """Drop what waits of partitions that belong to another worker now. Work that runs is left to end."""
        lost = set(partitions)
        self.assigned -= lost
        for queue in (self._live, self._bulk):
            kept = [record for record in queue if (record.topic, record.partition) not in lost]
            queue.clear()
            queue.extend(kept)
        for partition in lost & self._held.keys():
            del self._held[partition]

    @property
    def waiting(self) -> int:
        """Records that could be worked on if there were room."""
        return len(self._live) + len(self._bulk)

    @property
    def working(self) -> int:
        """Records worked on now."""
        return len(self._working)

    @property
    def held(self) -> int:
        """Records left alone until they are due."""
        return sum(len(queue) for queue in list(self._held.values()))

    def room(self) -> int:
        """How many more records may be read now; at least one, because reading is also the sign of life."""
        return max(1, self.limits.waiting - self.waiting)

    def resting(self) -> frozenset[Partition]:
        """Assigned partitions that shall deliver nothing for now."""
        if self.waiting >= self.limits.waiting:
            return frozenset(self.assigned)
        rest = {partition for partition in self._held if partition in self.assigned}
        if self._live_is_busy() or len(self._bulk) >= self.limits.in_flight:
            rest |= {partition for partition in self.assigned if self.lane_of_topic[partition[0]] == "bulk"}
        return frozenset(rest)

    def _release_due(self, now_ms: int) -> None:
        for partition, queue in list(self._held.items()):
            while queue and queue[0][0] <= now_ms:
                self._live.append(queue.popleft()[1])
            if not queue:
                del self._held[partition]

    def _take(self, queue: deque[Record]) -> Record | None:
        for position, record in enumerate(queue):
            if _key(record) not in self._working:
                del queue[position]
                return record
        return None

    def _live_is_busy(self) -> bool:
        return bool(self._live) or "live" in self._working.values()

    def _bulk_may_begin(self) -> bool:
        return not self._live_is_busy() and len(self._working) < max(1, self.limits.in_flight - 1)


def _key(record: Record) -> str:
    return record.key or f"{record.topic}/{record.partition}/{record.offset}"
