"""Brings what a restore has left under `checkpoints/restored/` onto the new log: part of a stack's set-up."""

from __future__ import annotations

import asyncio
import concurrent.futures
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from contracts.codec import decode, encode
from contracts.errors import DependencyDown, NotFound, Overloaded
from contracts.generations import Generation
from contracts.ids import partition_of
from contracts.keys import ObjectPlace, object_key
from contracts.status import DocumentStatus, StageEvent, status_key
from contracts.topics import DOCUMENT_STATUS, INDEX_GENERATIONS, STATUS_PARTITIONS, generation_topics
from gateway.clients.status_rows import StatusRows
from ingest.doors.announcing import added, deleted
from runtime.kafka_producer import KafkaProducer, Sent
from runtime.log_epoch import read_log_epoch
from runtime.object_store import ObjectStore
from runtime.publishing import DocumentPublisher
from runtime.telemetry import get_logger, new_trace
from runtime.topics_admin import ensure_topics
from stack.backup.layout import CopiedRecord, unpacked
from stack.backup.restoring import NOTE_KEY, RESTORED, Note, refuse_half_restored

_log = get_logger(__name__)
_TIMEOUT_S = 60.0
_IN_FLIGHT = 1000


async def replay_restored(bootstrap: str, store: ObjectStore) -> bool:
    """Bring a restored backup onto the log, once topics and epoch are settled; whether there was one.

    Cut off, it is done again from its beginning: the newest record of a key counts, and shards and gateways take
    what they know already for a repetition.

    Raises:
        Conflict: a restore was begun and not finished.
        DependencyDown: Kafka or the store does not answer.
        BadMessage: what was restored cannot be read.
    """
    await refuse_half_restored(store)
    try:
        note = msgspec.json.decode(await store.get(NOTE_KEY), type=Note)
    except NotFound:
        return False
    producer = KafkaProducer(bootstrap, "restore")
    with tempfile.TemporaryDirectory(prefix="restore-") as folder:
        rows = StatusRows(Path(folder) / "status.sqlite")
        try:
            for name in note.files:
                data = await store.get(f"{RESTORED}{name}")
                if name.startswith("records-"):
                    await asyncio.to_thread(_bring_records, bootstrap, producer, unpacked(data, CopiedRecord))
                else:
                    events = [decode(StageEvent, each) for each in unpacked(data, bytes)]
                    await asyncio.to_thread(_bring_events, producer, events)
                    rows.apply((event for event in events if event.doc_id in set(note.unsettled)), {})
            await _announce(store, producer, rows, note.unsettled)
        finally:
            rows.close()
            await asyncio.to_thread(producer.close)
    for name in note.files:
        await store.delete(f"{RESTORED}{name}")
    await store.delete(NOTE_KEY)
    _log.info("backup_restored", backup=note.backup, announced=len(note.unsettled))
    return True


def _bring_records(bootstrap: str, producer: KafkaProducer, records: Sequence[CopiedRecord]) -> None:
    generations = [
        decode(Generation, record.value)
        for record in records
        if record.topic == INDEX_GENERATIONS and record.value
    ]
    topics = {
        topic.name: topic
        for generation in generations
        if generation.is_live
        for topic in generation_topics(generation.name, generation.n_shards)
    }
    ensure_topics(bootstrap, list(topics.values()), timeout_s=_TIMEOUT_S)
    _send_all(
        producer,
        (
            {
                "topic": record.topic,
                "value": record.value or None,
                "key": record.key,
                "partition": record.partition,
                "headers": record.headers,
            }
            for record in records
        ),
    )


def _bring_events(producer: KafkaProducer, events: Sequence[StageEvent]) -> None:
    _send_all(
        producer,
        (
            {
                "topic": DOCUMENT_STATUS,
                "value": encode(event),
                "key": status_key(event),
                "partition": partition_of(event.doc_id, STATUS_PARTITIONS),
            }
            for event in events
        ),
    )


def _send_all(producer: KafkaProducer, records: Iterable[dict[str, Any]]) -> None:
    """Send records, a thousand at a time. Raises DependencyDown."""
    for group in _groups(records):
        sent: list[concurrent.futures.Future[Sent]] = []
        try:
            for record in group:
                sent.append(producer.send_bytes(**record))
            for future in sent:
                future.result(timeout=_TIMEOUT_S)
        except (Overloaded, TimeoutError) as exc:
            raise DependencyDown("kafka") from exc


def _groups(records: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    group: list[dict[str, Any]] = []
    for record in records:
        group.append(record)
        if len(group) == _IN_FLIGHT:
            yield group
            group = []
    yield group


async def _announce(
    store: ObjectStore, producer: KafkaProducer, rows: StatusRows, unsettled: Sequence[str]
) -> None:
    """Have documents read again that were being worked on, and deletes ended that had been begun."""
    publisher = DocumentPublisher(store, producer, await read_log_epoch(store))
    wanted = set(unsettled)
    for tenant in rows.tenants():
        for doc_id in sorted(wanted):
            status = rows.get(tenant, doc_id)
            place = _place(status) if status is not None else None
            if status is None or place is None:
                continue
            key = object_key(*place)
            try:
                event = added(place, await store.head(key), lane="bulk")
            except NotFound:
                event = deleted(place, key)
            if status.state == "deleting":
                event = deleted(place, key)
            readers = next((each.readers for each in status.stages.values() if each.readers), ())
            await publisher.announce(msgspec.structs.replace(event, readers=readers), new_trace())


def _place(status: DocumentStatus) -> ObjectPlace | None:
    named = next((each for each in status.stages.values() if each.collection and each.source_key), None)
    if named is None or named.collection is None or named.source_key is None:
        return None
    return ObjectPlace(status.tenant, named.collection, named.source_key)
