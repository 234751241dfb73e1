"""Reads `dlq_embeddings` on demand, bounded in time, records and bytes. Blocks; every call has its own consumer.

Ending letters is sending a record, which is `gateway.flows.dead_letters`'s.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import confluent_kafka as ck

from contracts.documents import DeadLetter
from contracts.errors import BadMessage, DeadlineExceeded, DependencyDown
from contracts.ids import partition_of
from contracts.letters import KeptLetter, LetterEnded, LetterFilter, LetterPlace, read_letter_record
from contracts.topics import DEAD_LETTERS
from runtime.kafka import Record, assigned_consumer, log_bounds, to_record
from runtime.telemetry import get_logger

_log = get_logger(__name__)

MOST_RECORDS = 20_000
MOST_BYTES = 64 * 2**20
_AT_ONCE = 500
_POLL_S = 0.1
# A letter is dated a moment before Kafka dates its record, by another clock perhaps.
_CLOCKS_DIFFER_MS = 60_000

Bounds = Mapping[int, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Reading:
    """Letters that were wanted, in no order.

    Args:
        complete: whether the whole of the time that was asked for was read.
    """

    letters: list[KeptLetter]
    complete: bool


class LetterLog:
    """The dead letters of a cluster."""

    def __init__(self, bootstrap: str, client_id: str) -> None:
        self._bootstrap = bootstrap
        self._client_id = client_id

    def read(
        self,
        wanted: LetterFilter,
        *,
        timeout_s: float,
        most_records: int = MOST_RECORDS,
    ) -> Reading:
        """The newest letters that are wanted, each with what ended it.

        Args:
            most_records: records that are looked at, the newest of each partition.

        Raises:
            DeadlineExceeded: reading took too long, or met too many bytes.
            DependencyDown: Kafka does not answer.
        """
        deadline = time.monotonic() + timeout_s
        with _Consumer(self._bootstrap, self._client_id) as consumer:
            partitions = consumer.partitions(timeout_s)
            if wanted.doc_id is not None:
                partitions = {partition_of(wanted.doc_id, len(partitions))}
            bounds = consumer.bounds(partitions, timeout_s)
            asked = consumer.starts(bounds, wanted.since_ms, timeout_s)
            share = max(1, most_records // len(bounds))
            starts = {p: max(asked[p], end - share) for p, (_, end) in bounds.items()}
            found: dict[LetterPlace, KeptLetter] = {}
            for record in consumer.records(starts, bounds, deadline):
                _take(found, record, wanted.wants)
        return Reading(list(found.values()), complete=all(starts[p] == asked[p] for p in starts))

    def get(self, place: LetterPlace, *, timeout_s: float) -> KeptLetter | None:
        """One letter; None where there is none, or none any more. Raises as `read`."""
        deadline = time.monotonic() + timeout_s
        with _Consumer(self._bootstrap, self._client_id) as consumer:
            if place.partition not in consumer.partitions(timeout_s):
                return None
            bounds = consumer.bounds({place.partition}, timeout_s)
            first, end = bounds[place.partition]
            if not first <= place.offset < end:
                return None
            found: dict[LetterPlace, KeptLetter] = {}
            for record in consumer.records({place.partition: place.offset}, bounds, deadline):
                if record.offset != place.offset and place not in found:
                    return None
                _take(found, record, lambda _: record.offset == place.offset)  # noqa: B023
        return found.get(place)


class _Consumer:
    """One look at the topic."""

    def __init__(self, bootstrap: str, client_id: str) -> None:
        self._consumer = assigned_consumer(bootstrap, f"{client_id}-letters")

    def __enter__(self) -> "_Consumer":
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def partitions(self, timeout_s: float) -> set[int]:
        try:
            topic = self._consumer.list_topics(DEAD_LETTERS, timeout=timeout_s).topics[DEAD_LETTERS]
        except ck.KafkaException as exc:
            raise DependencyDown("kafka") from exc
        if topic.error is not None or not topic.partitions:
            raise DependencyDown("kafka")
        return set(topic.partitions)

    def bounds(self, partitions: set[int], timeout_s: float) -> Bounds:
        return log_bounds(self._consumer, DEAD_LETTERS, partitions, timeout_s)

    def starts(self, bounds: Bounds, since_ms: int | None, timeout_s: float) -> dict[int, int]:
        """First offset of each partition that is worth a look."""
        if since_ms is None:
            return {partition: first for partition, (first, _) in bounds.items()}
        asked_ms = max(0, since_ms - _CLOCKS_DIFFER_MS)
        try:
            found = self._consumer.offsets_for_times(
                [ck.TopicPartition(DEAD_LETTERS, partition, asked_ms) for partition in bounds], timeout=timeout_s
            )
        except ck.KafkaException as exc:
            raise DependencyDown("kafka") from exc
        return {one.partition: one.offset if one.offset >= 0 else bounds[one.partition][1] for one in found}

    def records(self, starts: Mapping[int, int], bounds: Bounds, deadline: float) -> Iterator[Record]:
        """All records from the starts to the ends that were seen."""
        unread = {p: bounds[p][1] for p, start in starts.items() if start < bounds[p][1]}
        self._consumer.assign([ck.TopicPartition(DEAD_LETTERS, p, starts[p]) for p in unread])
        size_bytes = 0
        while unread:
            if time.monotonic() > deadline or size_bytes > MOST_BYTES:
                raise DeadlineExceeded("There are too many dead letters to read at once. Ask for a shorter time.")
            try:
                messages = self._consumer.consume(_AT_ONCE, timeout=_POLL_S)
            except ck.KafkaException as exc:
                raise DependencyDown("kafka") from exc
            for message in messages:
                record = to_record(message)
                if record is None or record.partition not in unread:
                    continue
                if record.offset + 1 >= unread[record.partition]:
                    del unread[record.partition]
                size_bytes += len(record.value)
                yield record


def _take(found: dict[LetterPlace, KeptLetter], record: Record, wants: Callable[[DeadLetter], bool]) -> None:
    try:
        message = read_letter_record(record.value)
    except BadMessage:
        _log.warning("dead_letter_unreadable", partition=record.partition, offset=record.offset)
        return
    if isinstance(message, LetterEnded):
        place = LetterPlace(record.partition, message.offset)
        if place in found and found[place].end is None:
            found[place] = replace(found[place], end=message)
        return
    place = LetterPlace(record.partition, record.offset)
    if wants(message):
        found[place] = KeptLetter(place, message)
