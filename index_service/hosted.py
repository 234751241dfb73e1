"""A shard as a process hosts it: the pure shard, its place in the log, and what waits to be settled."""

import threading
from dataclasses import dataclass, field, replace
from pathlib import Path

from contracts.items import IndexUpdate
from index_service.access import AccessDays
from index_service.shard import Shard
from index_service.snapshot import LogPosition, write_snapshot
from index_service.spec import ShardSpec
from runtime.kafka import Record


@dataclass(frozen=True, slots=True)
class Parked:
    """An update whose claimed items are not (or no longer) in the store as the claim describes them.

    Args:
        cause: short stable code of what is wrong with the items; `reason` says it in a sentence.
        until: end of the log as seen after it was parked, None until then. If nothing equal or newer of the
            document has come by there, the items are lost; before, a newer update may have removed them.
    """

    record: Record
    update: IndexUpdate
    cause: str
    reason: str
    until: int | None = None


@dataclass(slots=True)
class HostedShard:
    """One hosted shard. Changed by the thread that applies updates, read by others.

    Args:
        directory: where its snapshots lie.
        position: None until the log was reached for the first time.
        replay_end: end of the log at the start; the shard serves once `position` has passed it.
        log_end: end of the log as last seen.
        access: on which day each document was last seen in an answer.
        rebuild_wanted: somebody asked for a rebuild from the object store.
        rebuilds: rebuilds so far.
        forget_asked_ms: when somebody asked to have all that is gone taken from the disk; None while nobody waits.
        forgets: how often that was done.
        snapshots_wanted: snapshots to write though no update came, so that older ones go.
        applied_ms: when the last record that was read had been written, by Kafka's clock.
        files: held while a snapshot is written or read, and while files that none names are removed.
    """

    spec: ShardSpec
    directory: Path
    shard: Shard
    position: LogPosition | None = None
    replay_end: int = 0
    log_end: int = 0
    caught_up: bool = False
    unsaved_updates: int = 0
    parked: list[Parked] = field(default_factory=list)
    access: AccessDays = field(default_factory=AccessDays)
    rebuild_wanted: bool = False
    rebuilds: int = 0
    forget_asked_ms: int | None = None
    forgets: int = 0
    snapshots_wanted: int = 0
    applied_ms: int = 0
    files: threading.Lock = field(default_factory=threading.Lock)

    @property
    def applied_offset(self) -> int | None:
        """Offset of the last update that was applied, None before the first."""
        if self.position is None or self.position.next_offset == 0:
            return None
        return self.position.next_offset - 1

    @property
    def lag(self) -> int:
        """Updates in the log that are not applied yet, as last seen."""
        return max(0, self.log_end - (self.position.next_offset if self.position else 0))

    def lag_s(self, now_ms: int) -> float:
        """How old the newest update is that was applied, while there are newer ones in the log; else 0."""
        return max(0.0, (now_ms - self.applied_ms) / 1000) if self.lag and self.applied_ms else 0.0

    def reach(self, next_offset: int) -> None:
        """Note that everything before `next_offset` is dealt with."""
        if self.position is not None and next_offset > self.position.next_offset:
            self.position = LogPosition(self.position.identity, next_offset)
            self.log_end = max(self.log_end, next_offset)
        if self.position is not None and self.position.next_offset >= self.replay_end:
            self.caught_up = True

    def advance(self, next_offset: int) -> None:
        """Like `reach`, after a record that a snapshot has to hold."""
        self.reach(next_offset)
        self.unsaved_updates += 1

    def see_log_end(self, log_end: int) -> None:
        """Note where the log ends now."""
        self.log_end = log_end
        self.parked = [
            parked if parked.until is not None else replace(parked, until=log_end) for parked in self.parked
        ]

    def take_settled(self) -> list[Parked]:
        """Parked updates whose time has come and whose document got nothing equal or newer: lost ones."""
        next_offset = self.position.next_offset if self.position else 0
        due: list[Parked] = []
        waiting: list[Parked] = []
        for parked in self.parked:
            (due if parked.until is not None and parked.until <= next_offset else waiting).append(parked)
        self.parked = waiting
        return [parked for parked in due if self.shard.precedence(parked.update) == "newer"]

    def save(self, now_ms: int) -> Path | None:
        """Write a snapshot if there is anything new; returns its directory.

        A parked update is not in it, so it stands before the first of them: they will be read again.

        Raises:
            OSError: the disk does not take it.
        """
        if self.position is None or not (self.unsaved_updates or self.snapshots_wanted):
            return None
        next_offset = min([self.position.next_offset, *(parked.record.offset for parked in self.parked)])
        position = LogPosition(self.position.identity, next_offset)
        with self.files:
            path = write_snapshot(self.directory, self.spec, self.shard.parts(), position, now_ms)
        self.unsaved_updates = 0
        self.snapshots_wanted = max(0, self.snapshots_wanted - 1)
        return path
