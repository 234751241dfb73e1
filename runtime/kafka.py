"""Reading from Kafka as all processes do it: manual commits, by hand or in a group, loud about lost offsets.

Sending is in `runtime.kafka_producer`.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import confluent_kafka as ck

from contracts.errors import BadMessage, DependencyDown
from runtime.kafka_address import connection

_COMMITTED_TRIES = 6
_COMMITTED_TIMEOUT_S = 10.0
_LEADER_PAUSE_S = 0.1
_NO_LEADER_YET = frozenset(
    {
        ck.KafkaError.NOT_LEADER_FOR_PARTITION,
        ck.KafkaError.LEADER_NOT_AVAILABLE,
        ck.KafkaError.UNKNOWN_TOPIC_OR_PART,
    }
)


@dataclass(frozen=True, slots=True)
class Record:
    """One record as it was read. `headers` keeps the last value of a repeated name."""

    topic: str
    partition: int
    offset: int
    key: str | None
    value: bytes
    headers: Mapping[str, bytes]
    timestamp_ms: int


def _consumer_config(bootstrap: str, client_id: str) -> dict[str, Any]:
    return {
        **connection(bootstrap),
        "client.id": client_id,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "error",
        "fetch.wait.max.ms": 100,
        "fetch.error.backoff.ms": 50,
        "fetch.queue.backoff.ms": 5,
        "reconnect.backoff.max.ms": 1000,
        "topic.metadata.refresh.interval.ms": 30_000,
        "socket.keepalive.enable": True,
        "log_level": 2,
    }


def group_consumer(
    bootstrap: str, group: str, instance_id: str, *, max_poll_interval_s: float = 600.0
) -> ck.Consumer:
    """A consumer in a consumer group, with manual commits. Subscribe it with `subscribe()` below.

    `instance_id` makes it a static member: a restart within the session timeout gets its partitions back
    at once. The session timeout is 6 s, so a process that died for good is replaced soon.
    """
    return ck.Consumer(
        _consumer_config(bootstrap, instance_id)
        | {
            "group.id": group,
            "group.instance.id": instance_id,
            "session.timeout.ms": 6000,
            "heartbeat.interval.ms": 1500,
            "max.poll.interval.ms": int(max_poll_interval_s * 1000),
            "partition.assignment.strategy": "range,roundrobin",
        }
    )


Partitions = Callable[[list[tuple[str, int]]], None]


def subscribe(
    consumer: ck.Consumer,
    topics: Iterable[str],
    *,
    on_assigned: Partitions | None = None,
    on_revoked: Partitions | None = None,
) -> None:
    """Subscribe; a partition without a committed offset starts at its beginning, a lost offset is an error.

    `on_assigned` and `on_revoked` are told the (topic, partition) pairs that come and go, in the polling thread.
    Offsets may still be committed in `on_revoked`.
    """

    def assigned(consumer: ck.Consumer, partitions: list[ck.TopicPartition]) -> None:
        committed = _committed(consumer, partitions)
        for partition in committed:
            if partition.offset < 0:
                partition.offset = ck.OFFSET_BEGINNING
        consumer.assign(committed)
        if on_assigned is not None:
            on_assigned([(partition.topic, partition.partition) for partition in partitions])

    def revoked(consumer: ck.Consumer, partitions: list[ck.TopicPartition]) -> None:
        if on_revoked is not None:
            on_revoked([(partition.topic, partition.partition) for partition in partitions])
        consumer.unassign()

    consumer.subscribe(list(topics), on_assign=assigned, on_revoke=revoked)


def _committed(consumer: ck.Consumer, partitions: list[ck.TopicPartition]) -> list[ck.TopicPartition]:
    """Where the group goes on. A coordinator that has just moved or restarted may need some time.

    Raises:
        RuntimeError: it did not answer at all. The client would then guess, so the process has to end.
    """
    for tries_left in reversed(range(_COMMITTED_TRIES)):
        try:
            found: list[ck.TopicPartition] = consumer.committed(partitions, timeout=_COMMITTED_TIMEOUT_S)
            return found
        except ck.KafkaException as exc:
            if not tries_left:
                raise RuntimeError("Kafka does not tell this group's committed offsets") from exc
    raise AssertionError("unreachable")


def assigned_consumer(
    bootstrap: str, client_id: str, *, partition_eof: bool = False, fetch_wait_ms: int = 100
) -> ck.Consumer:
    """A consumer for partitions assigned by hand: no group management, no commits.

    Args:
        partition_eof: deliver an end-of-partition event (`to_record` gives None for it).
        fetch_wait_ms: how long the broker may hold an empty fetch back.
    """
    return ck.Consumer(
        _consumer_config(bootstrap, client_id)
        | {
            # librdkafka asks for a group name even where no group is used.
            "group.id": f"unused-{client_id}",
            "enable.partition.eof": partition_eof,
            "fetch.wait.max.ms": fetch_wait_ms,
        }
    )


def to_record(message: Any) -> Record | None:
    """A confluent-kafka message as a Record; None for an end of partition.

    Raises:
        DependencyDown: the message stands for an error that passes.
        BadMessage: the offset asked for is no longer (or not yet) in the log: records were lost to the reader.
    """
    error = message.error()
    if error is not None:
        if error.code() == ck.KafkaError._PARTITION_EOF:
            return None
        if error.code() in {ck.KafkaError._AUTO_OFFSET_RESET, ck.KafkaError.OFFSET_OUT_OF_RANGE}:
            raise BadMessage(f"The log of {message.topic()} no longer holds the offset asked for.")
        raise DependencyDown("kafka")
    key = message.key()
    return Record(
        topic=message.topic(),
        partition=message.partition(),
        offset=message.offset(),
        key=key.decode("utf-8", "replace") if key is not None else None,
        value=message.value() or b"",
        headers=dict(message.headers() or ()),
        timestamp_ms=message.timestamp()[1],
    )


def log_bounds(
    consumer: ck.Consumer, topic: str, partitions: Iterable[int], timeout_s: float
) -> dict[int, tuple[int, int]]:
    """First and end offset of partitions, as the broker says now.

    Raises:
        DependencyDown: no answer in time.
    """
    deadline = time.monotonic() + timeout_s
    return {
        partition: _bounds_of(consumer, ck.TopicPartition(topic, partition), deadline) for partition in partitions
    }


def _bounds_of(consumer: ck.Consumer, partition: ck.TopicPartition, deadline: float) -> tuple[int, int]:
    while True:
        left_s = max(0.1, deadline - time.monotonic())
        try:
            result = consumer.get_watermark_offsets(partition, timeout=left_s, cached=False)
        except ck.KafkaException as exc:
            # A broker names itself leader of a new partition a moment before it is one.
            if exc.args[0].code() not in _NO_LEADER_YET or time.monotonic() > deadline:
                raise DependencyDown("kafka") from exc
            time.sleep(_LEADER_PAUSE_S)
            continue
        if result is None:
            raise DependencyDown("kafka")
        return int(result[0]), int(result[1])
