"""Takes a backup of a running stack: objects, then again what changed meanwhile, until all of it fits together."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import confluent_kafka as ck
import msgspec

from contracts.errors import DependencyDown, NotFound
from contracts.keys import half_key, halves_prefix, item_prefix, object_key, trained_prefix
from contracts.status import DocumentStatus
from contracts.topics import fixed_topics
from runtime.generations import read_generations
from runtime.kafka import assigned_consumer, log_bounds, to_record
from runtime.log_epoch import read_log_epoch
from runtime.object_store import ObjectMeta, ObjectStore
from stack.backup.layout import (
    COPIED_TOPICS,
    FORMAT,
    CopiedRecord,
    Entry,
    FileSum,
    Manifest,
    backup_prefix,
    blob_key,
    manifest_key,
    packed,
    sum_of,
)
from stack.backup.library import entries_of, list_backups
from stack.backup.statuses import Statuses

_AT_ONCE = 8
_ROUNDS = 5
_LOG_TIMEOUT_S = 600.0
_KAFKA_TIMEOUT_S = 10.0
_POLL_S = 0.2
# What embedders have half done is done again; it may vanish at any moment.
_LEFT_OUT = ("checkpoints/embedding/", "checkpoints/restored/")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a backup is."""

    objects: int
    copied_bytes: int
    round: int


class Taking:
    """One backup in the making.

    Args:
        told: called now and then with how far it is.
    """

    def __init__(
        self,
        source: ObjectStore,
        target: ObjectStore,
        bootstrap: str,
        told: Callable[[Progress], None] = lambda _: None,
    ) -> None:
        self._source = source
        self._target = target
        self._bootstrap = bootstrap
        self._told = told
        self._known: dict[str, Entry] = {}
        self._entries: dict[str, Entry] = {}
        self._stored: set[str] = set()
        self._copied_bytes = 0
        self._round = 0

    async def take(self) -> Manifest:
        """Take it. Nothing counts before the manifest is written, which comes last.

        Raises:
            DependencyDown: Kafka or a store does not answer.
        """
        began, started = time.monotonic(), datetime.now(UTC)
        for earlier in (await list_backups(self._target))[:1]:
            self._known = {entry.key: entry async for entry in entries_of(self._target, earlier)}
        self._stored = {entry.sha256 for entry in self._known.values()}
        generations = await asyncio.to_thread(read_generations, self._bootstrap, timeout_s=_KAFKA_TIMEOUT_S)
        live = [generation for generation in generations.values() if generation.is_live]
        names = tuple(sorted(generation.name for generation in live))
        spaces = tuple(sorted({generation.space_id for generation in live}))
        with (
            tempfile.TemporaryDirectory(prefix="backup-") as folder,
            Statuses(self._bootstrap, folder) as statuses,
        ):
            await asyncio.to_thread(statuses.catch_up, _LOG_TIMEOUT_S)
            await self._copy_all(self._listed(names, spaces))
            moving = await self._settle(statuses, names, spaces)
            unsettled = moving | {doc_id for _, doc_id in statuses.unsettled()}
            backup_id = started.strftime("%Y%m%dT%H%M%SZ")
            files = {
                **await self._write(backup_id, "objects", packed(self._entries.values())),
                **await self._write(backup_id, "status", packed(statuses.events())),
                **await self._write(backup_id, "records", packed(await asyncio.to_thread(self._records))),
            }
            documents = dict(statuses.counts())
        manifest = Manifest(
            format=FORMAT,
            id=backup_id,
            created_ms=int(started.timestamp() * 1000),
            seconds=round(time.monotonic() - began, 3),
            log_epoch=await read_log_epoch(self._source),
            generations=names,
            space_ids=spaces,
            objects=len(self._entries),
            object_bytes=sum(entry.size_bytes for entry in self._entries.values()),
            copied_bytes=self._copied_bytes,
            rounds=self._round,
            documents=documents,
            unsettled=tuple(sorted(unsettled)),
            files=files,
        )
        await self._target.put(
            manifest_key(backup_id), msgspec.json.format(msgspec.json.encode(manifest), indent=1)
        )
        return manifest

    async def _settle(self, statuses: Statuses, generations: Sequence[str], spaces: Sequence[str]) -> set[str]:
        """Look again at documents that changed while objects were copied; returns what never came to rest."""
        changed: set[tuple[str, str]] = set()
        for self._round in range(1, _ROUNDS + 1):
            changed = await asyncio.to_thread(statuses.catch_up, _LOG_TIMEOUT_S)
            if not changed:
                break
            for tenant, doc_id in sorted(changed):
                status = statuses.get(tenant, doc_id)
                if status is not None:
                    await self._look_again(status, generations, spaces)
        return {doc_id for _, doc_id in changed}

    async def _look_again(self, status: DocumentStatus, generations: Sequence[str], spaces: Sequence[str]) -> None:
        """Make a document's entries what the store has now."""
        prefixes = [item_prefix(generation, status.doc_id) for generation in generations]
        prefixes += [half_key(space_id, status.doc_id, 0, "").rsplit("/", 2)[0] + "/" for space_id in spaces]
        prefixes.append(f"derived/{status.doc_id}/")
        for key in [key for key in self._entries if key.startswith(tuple(prefixes))]:
            del self._entries[key]
        for prefix in prefixes:
            await self._copy_all(self._source.list(prefix))
        original = _original_key(status)
        if original is not None:
            self._entries.pop(original, None)
            try:
                await self._copy(await self._source.head(original))
            except NotFound:
                return

    async def _listed(self, generations: Sequence[str], spaces: Sequence[str]) -> AsyncIterator[ObjectMeta]:
        prefixes = ["objects/", "derived/", "checkpoints/"]
        prefixes += [item_prefix(generation) for generation in generations]
        prefixes += [trained_prefix(generation) for generation in generations]
        prefixes += [halves_prefix(space_id) for space_id in spaces]
        for prefix in prefixes:
            async for meta in self._source.list(prefix):
                if not meta.key.startswith(_LEFT_OUT):
                    yield meta

    async def _copy_all(self, metas: AsyncIterator[ObjectMeta]) -> None:
        """Copy objects, eight at a time."""
        running: set[asyncio.Task[None]] = set()
        try:
            async for meta in metas:
                if len(running) >= _AT_ONCE:
                    done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                    _raise_of(done)
                running.add(asyncio.create_task(self._copy(meta)))
            if running:
                done, running = await asyncio.wait(running)
                _raise_of(done)
        finally:
            for task in running:
                task.cancel()

    async def _copy(self, meta: ObjectMeta) -> None:
        """Have an object's contents in the target; one that vanished has a status that says so."""
        known = self._known.get(meta.key)
        if known is not None and (known.etag, known.size_bytes) == (meta.etag, meta.size_bytes) and meta.etag:
            self._entries[meta.key] = known
            return
        try:
            data = await self._source.get(meta.key)
        except NotFound:
            return
        sha256 = (await asyncio.to_thread(sum_of, data)).sha256
        if sha256 not in self._stored:
            await self._target.put(blob_key(sha256), data)
            self._stored.add(sha256)
            self._copied_bytes += len(data)
        self._entries[meta.key] = Entry(meta.key, len(data), meta.etag, sha256)
        self._told(Progress(len(self._entries), self._copied_bytes, self._round))

    async def _write(self, backup_id: str, kind: str, parts: Iterable[bytes]) -> dict[str, FileSum]:
        files = {}
        for number, data in enumerate(parts):
            name = f"{kind}-{number}"
            await self._target.put(f"{backup_prefix(backup_id)}{name}", data)
            files[name] = sum_of(data)
        return files

    def _records(self) -> list[CopiedRecord]:
        """All that the small topics hold. Blocks."""
        partitions = {topic.name: topic.partitions for topic in fixed_topics()}
        consumer = assigned_consumer(self._bootstrap, "backup", partition_eof=True)
        records: list[CopiedRecord] = []
        try:
            for topic in COPIED_TOPICS:
                for partition in range(partitions[topic]):
                    records.extend(_read(consumer, topic, partition))
        finally:
            consumer.close()
        return records


def _read(consumer: ck.Consumer, topic: str, partition: int) -> Iterable[CopiedRecord]:
    """The records of one partition, up to the end that it has now."""
    first, end = log_bounds(consumer, topic, [partition], _KAFKA_TIMEOUT_S)[partition]
    if first == end:
        return
    consumer.assign([ck.TopicPartition(topic, partition, first)])
    deadline = time.monotonic() + _LOG_TIMEOUT_S
    while time.monotonic() < deadline:
        message = consumer.poll(_POLL_S)
        if message is None:
            continue
        record = to_record(message)
        if record is None or record.offset >= end:
            return
        yield CopiedRecord(topic, partition, record.key, record.value, dict(record.headers))
        if record.offset + 1 >= end:
            return
    raise DependencyDown("kafka")


def _original_key(status: DocumentStatus) -> str | None:
    """Key of a document's file, as far as its events tell."""
    events = status.stages.values()
    uri = next((event.uri for event in events if event.uri), None)
    if uri is not None:
        return uri
    named = next((event for event in events if event.collection and event.source_key), None)
    if named is None or named.collection is None or named.source_key is None:
        return None
    return object_key(status.tenant, named.collection, named.source_key)


def _raise_of(tasks: Iterable[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.result()
