"""Puts documents on their way: bytes into the store, the event on the log, the door's word into the status.

Used by every door: the upload route, the watched folder, the command line. All or nothing, as far as two systems
allow: Kafka is asked first, and a file that could not be announced is taken out of the store again.
"""

import asyncio
import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple

import msgspec

from contracts.codec import Message
from contracts.documents import FileAdded, file_added
from contracts.errors import DependencyDown, NotFound, Overloaded
from contracts.ids import partition_of, version_of
from contracts.keys import object_key
from contracts.status import StageEvent, status_key
from contracts.topics import DOCUMENT_STATUS, FILE_ADDED, STATUS_PARTITIONS
from contracts.trace import TraceContext
from runtime.kafka_producer import KafkaProducer, Sent
from runtime.object_store import ObjectMeta, ObjectStore, StoredBytes
from runtime.telemetry import get_logger

_log = get_logger(__name__)

_PROBE_TIMEOUT_S = 2.0
_STATUS_TIMEOUT_S = 5.0
_TURNS = 64
# Stands on objects that a door put into the store and announced itself, so that the store's own event about them
# is not taken for news (`ingest.doors.object_events`). A local directory keeps no attributes, and sends no events.
ANNOUNCED_BY = "trireme-announced-by"


class Published(NamedTuple):
    """A document that is on its way, and the version that the log gave to it."""

    doc_id: str
    version: int


class DocumentPublisher:
    """Announces documents.

    Args:
        log_epoch: of the `file_added` log (`runtime.log_epoch`).
        ack_timeout_s: how long Kafka may take to acknowledge an event.
        now_ms: Unix time in ms, for display.
    """

    def __init__(
        self,
        store: ObjectStore,
        producer: KafkaProducer,
        log_epoch: int,
        *,
        ack_timeout_s: float = 10.0,
        now_ms: Callable[[], int] = lambda: int(time.time() * 1000),
    ) -> None:
        self._store = store
        self._producer = producer
        self._log_epoch = log_epoch
        self._ack_timeout_s = ack_timeout_s
        self._now_ms = now_ms
        self._turns = [asyncio.Lock() for _ in range(_TURNS)]

    async def publish(
        self,
        tenant: str,
        collection: str,
        source_key: str,
        data: bytes | Path | BinaryIO,
        content_type: str,
        trace: TraceContext,
        *,
        lane: Literal["live", "bulk"] = "live",
        readers: tuple[str, ...] = (),
        claimed_by: str | None = None,
    ) -> Published:
        """Store a document and announce it; it is taken in once this returns.

        Args:
            data: the bytes, the file that holds them, or that file opened; large ones go in parts.
            readers: groups that may see it; empty for all.

        Raises:
            InvalidInput: a name that the store cannot hold.
            DependencyDown: Kafka or the store is away; nothing was taken in. Where Kafka went away just now, a
                document that was there before has its new bytes in the store already; sending it again mends that.
        """
        key = object_key(tenant, collection, source_key)
        await self._require_kafka()
        async with self._turn(key):
            was_there = await self._head(key) is not None
            stored = await self._put(key, data, content_type)
            event = file_added(
                source_key,
                uri=key,
                etag=stored.etag,
                content_type=content_type,
                size_bytes=stored.size_bytes,
                at_ms=self._now_ms(),
                tenant=tenant,
                collection=collection,
                lane=lane,
                sha256=stored.sha256,
                readers=readers,
                claimed_by=claimed_by,
            )
            try:
                return await self.announce(event, trace)
            except DependencyDown:
                if not was_there:
                    await self._take_out(key, stored.etag)
                raise

    async def delete(
        self, tenant: str, collection: str, source_key: str, content_type: str, trace: TraceContext
    ) -> Published:
        """Announce that a document shall go; the workers remove it, its file last.

        Raises:
            InvalidInput: a name that the store cannot hold.
            DependencyDown: Kafka or the store is away; nothing happened.
        """
        key = object_key(tenant, collection, source_key)
        await self._require_kafka()
        async with self._turn(key):
            meta = await self._head(key)
            added = file_added(
                source_key,
                uri=key,
                etag=meta.etag if meta else None,
                content_type=content_type,
                size_bytes=0,
                at_ms=self._now_ms(),
                tenant=tenant,
                collection=collection,
            )
            modified_ms = meta.modified_ms if meta else None
            deleted = msgspec.structs.replace(added, event="deleted", modified_ms=modified_ms)
            return await self.announce(deleted, trace)

    async def announce(self, event: FileAdded, trace: TraceContext) -> Published:
        """Announce what is in the store already, or has left it: for doors through which no bytes pass.

        Raises:
            DependencyDown: Kafka is away; nothing happened.
        """
        sent = await self._send(FILE_ADDED, event, event.doc_id, None, trace, self._ack_timeout_s)
        version = version_of(self._log_epoch, sent.offset)
        status = _door_event(event, version, trace)
        try:
            partition = partition_of(event.doc_id, STATUS_PARTITIONS)
            await self._send(DOCUMENT_STATUS, status, status_key(status), partition, trace, _STATUS_TIMEOUT_S)
        except DependencyDown:
            # The document is taken in all the same; the workers' own events name it too.
            _log.warning(
                "door_status_not_acknowledged",
                doc_id=event.doc_id,
                version=version,
                stage="door",
                trace_id=trace.trace_id,
            )
        return Published(event.doc_id, version)

    async def _send(
        self,
        topic: str,
        message: Message,
        key: str,
        partition: int | None,
        trace: TraceContext,
        timeout_s: float,
    ) -> Sent:
        """Send a record and wait for its place in the log; DependencyDown when that takes too long."""
        try:
            future = self._producer.send(topic, message, key=key, partition=partition, trace=trace)
            async with asyncio.timeout(timeout_s):
                # Shielded: a cancelled waiter must not cancel the future that the client's thread will complete.
                return await asyncio.shield(asyncio.wrap_future(future))
        except (Overloaded, TimeoutError) as exc:
            raise DependencyDown("kafka") from exc

    async def _require_kafka(self) -> None:
        await asyncio.to_thread(self._producer.probe, FILE_ADDED, timeout_s=_PROBE_TIMEOUT_S)

    async def _put(self, key: str, data: bytes | Path | BinaryIO, content_type: str) -> StoredBytes:
        attributes = {"Content-Type": content_type, ANNOUNCED_BY: "door"}
        if isinstance(data, Path):
            with await asyncio.to_thread(data.open, "rb") as opened:
                return await self._store.put_stream(key, opened, attributes=attributes)
        file: BinaryIO = io.BytesIO(data) if isinstance(data, bytes) else data
        return await self._store.put_stream(key, file, attributes=attributes)

    async def _take_out(self, key: str, etag: str | None) -> None:
        """Remove the file again, if it is still ours. Should its event arrive after all, readers find no file and
        call the version superseded."""
        meta = await self._head(key)
        if meta is not None and meta.etag == etag:
            await self._store.delete(key)

    async def _head(self, key: str) -> ObjectMeta | None:
        try:
            return await self._store.head(key)
        except NotFound:
            return None

    def _turn(self, key: str) -> asyncio.Lock:
        """One at a time for a document, so that its events have the order in which its files were stored."""
        return self._turns[hash(key) % len(self._turns)]


def _door_event(event: FileAdded, version: int, trace: TraceContext) -> StageEvent:
    return StageEvent(
        tenant=event.tenant,
        doc_id=event.doc_id,
        version=version,
        stage="door",
        state="done",
        at_ms=event.at_ms,
        op="delete" if event.event == "deleted" else "upsert",
        trace_id=trace.trace_id,
        collection=event.collection,
        source_key=event.source_key,
        content_type=event.content_type,
        size_bytes=event.size_bytes,
        uri=event.uri,
        etag=event.etag if event.event == "added" else None,
        sha256=event.sha256,
        readers=event.readers,
    )
