"""A consumer group's member as the worker drives it: one turn commits, lets partitions rest, and reads a little.

Knows nothing of documents. All calls of one `GroupSource` come from one thread.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import confluent_kafka as ck

from contracts.errors import Conflict, DependencyDown
from ingest.group_lag import GroupLag
from ingest.ledger import Partition
from runtime.kafka import Record, group_consumer, subscribe, to_record
from runtime.telemetry import get_logger

_log = get_logger(__name__)

# A consumer is told of its fatal errors without the flag that says so.
_FATAL = {ck.KafkaError._FATAL, ck.KafkaError._FENCED, ck.KafkaError.FENCED_INSTANCE_ID}


# A turn takes a fraction of a second, however long the documents are that are worked on meanwhile.
_MAX_POLL_INTERVAL_S = 60.0


@dataclass(frozen=True, slots=True)
class Orders:
    """What a turn shall do: commit these offsets, let these partitions rest, read at most `room` records."""

    commit: Mapping[Partition, int]
    resting: frozenset[Partition]
    room: int
    wait_s: float


@dataclass(slots=True)
class Turn:
    """What a turn has brought. `revoked` partitions may be among `assigned` again; they went first."""

    records: list[Record] = field(default_factory=list)
    revoked: set[Partition] = field(default_factory=set)
    assigned: set[Partition] = field(default_factory=set)


class RecordSource(Protocol):
    """Where a worker's records come from."""

    def turn(self, orders: Orders) -> Turn:
        """One turn; blocks for at most about `orders.wait_s`.

        Raises:
            DependencyDown: nothing can be read for now.
        """
        ...

    def close(self, commit: Mapping[Partition, int]) -> None:
        """Commit for the last time and leave."""
        ...


class GroupSource:
    """Membership in a Kafka consumer group.

    Args:
        instance_id: name of this member, the same after a restart.
        max_poll_interval_s: the group gives up a member that makes no turn for this long.
        lag: told after every turn.
    """

    def __init__(
        self,
        bootstrap: str,
        group: str,
        instance_id: str,
        topics: Iterable[str],
        lag: GroupLag | None = None,
        *,
        max_poll_interval_s: float = _MAX_POLL_INTERVAL_S,
    ) -> None:
        self._lag = lag
        self._assigned: set[Partition] = set()
        self._consumer = group_consumer(bootstrap, group, instance_id, max_poll_interval_s=max_poll_interval_s)
        self._paused: set[Partition] = set()
        self._turn = Turn()
        self._commit: Mapping[Partition, int] = {}
        subscribe(self._consumer, topics, on_assigned=self._on_assigned, on_revoked=self._on_revoked)

    def turn(self, orders: Orders) -> Turn:
        """See `RecordSource.turn`.

        Raises:
            DependencyDown: the brokers cannot be reached for now.
            BadMessage: records were removed from the log before they were read.
            Conflict: another process has taken this member's place.
        """
        self._turn, self._commit = Turn(), orders.commit
        try:
            if orders.commit:
                self._consumer.commit(offsets=_offsets(orders.commit), asynchronous=True)
            self._rest(orders.resting)
            self._read(orders)
            if self._lag is not None:
                self._lag.measure(self._consumer, self._assigned)
        except (DependencyDown, ck.KafkaException) as exc:
            if isinstance(exc, ck.KafkaException):
                _refuse_fatal(exc.args[0])
            # What was read before the error counts: the client will not deliver it again.
            if not (self._turn.records or self._turn.assigned or self._turn.revoked):
                raise DependencyDown("kafka") from exc
        return self._turn

    def _read(self, orders: Orders) -> None:
        wait_s = orders.wait_s
        while len(self._turn.records) < orders.room:
            message = self._consumer.poll(wait_s)
            if message is None:
                return
            _refuse_fatal(message.error())
            record = to_record(message)
            if record is not None:
                self._turn.records.append(record)
                wait_s = 0.0

    def close(self, commit: Mapping[Partition, int]) -> None:
        """See `RecordSource.close`. Without a broker it gives up after the client's own time-out."""
        self._commit = commit
        self._commit_now()
        self._consumer.close()

    def _rest(self, resting: frozenset[Partition]) -> None:
        to_pause, to_resume = resting - self._paused, self._paused - resting
        if to_pause:
            self._consumer.pause([ck.TopicPartition(*partition) for partition in to_pause])
        if to_resume:
            self._consumer.resume([ck.TopicPartition(*partition) for partition in to_resume])
        self._paused = set(resting)

    def _on_assigned(self, partitions: list[Partition]) -> None:
        self._turn.assigned.update(partitions)
        self._assigned.update(partitions)
        self._paused -= set(partitions)

    def _on_revoked(self, partitions: list[Partition]) -> None:
        self._commit_now()
        lost = set(partitions)
        self._paused -= lost
        self._assigned -= lost
        self._turn.revoked |= lost
        self._turn.assigned -= lost
        kept = [record for record in self._turn.records if (record.topic, record.partition) not in lost]
        self._turn.records = kept

    def _commit_now(self) -> None:
        if not self._commit:
            return
        try:
            self._consumer.commit(offsets=_offsets(self._commit), asynchronous=False)
        except ck.KafkaException as exc:
            # Harmless: what is not committed is done again, and doing it again changes nothing.
            _log.warning("last_commit_failed", error=exc.args[0].name())


def _refuse_fatal(error: ck.KafkaError | None) -> None:
    """A client that met a fatal error (it was fenced) never reads again; its process has to end."""
    if error is not None and (error.fatal() or error.code() in _FATAL):
        raise Conflict(f"Another process has taken this worker's place in its group ({error.name()}).")


def _offsets(positions: Mapping[Partition, int]) -> list[ck.TopicPartition]:
    return [ck.TopicPartition(topic, partition, offset) for (topic, partition), offset in positions.items()]
