"""Expires documents that nobody has seen for long: tombstones through the log, then what was kept of them goes.

Which documents those are, the shards tell (`contracts.index_door`). A tombstone of expiry has the document's own
version and the highest revision: it removes that version and no newer one, so an upload that comes meanwhile wins.
"""

import asyncio
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from typing import Protocol

import msgspec

from contracts.codec import Message
from contracts.documents import FileAdded, file_added
from contracts.errors import Conflict, DependencyDown, InvalidInput, NotFound
from contracts.generations import Generation
from contracts.ids import shard_of
from contracts.index_door import UnusedDocument
from contracts.items import REVISION_EXPIRED, IndexUpdate
from contracts.keys import object_key
from contracts.topics import index_updates
from ingest.cleanup import Cleaner
from ingest.gone import GoneList
from runtime.kafka_producer import Sent
from runtime.object_store import ObjectStore

_BATCH_DOCUMENTS = 100
_ACK_TIMEOUT_S = 30.0


class Producer(Protocol):
    """Sends updates; `runtime.kafka_producer.KafkaProducer` does."""

    def send(
        self, topic: str, message: Message, *, key: str | None = None, partition: int | None = None
    ) -> "Future[Sent]":
        """Queue a message."""
        ...


def require_modest(unused: int, documents: int, max_share: float) -> None:
    """Refuse to expire more than a share of all documents at once: something may be wrong with the counting.

    Raises:
        Conflict: it would be more.
    """
    if documents and (share := unused / documents) > max_share:
        raise Conflict(
            f"{unused} of {documents} documents would expire, {share:.0%}; at most {max_share:.0%} may at once. "
            "Nothing was expired. Look at them with --dry-run; --max-share allows more."
        )


class Expiry:
    """Expires documents in every generation that takes updates.

    Args:
        generations: those generations.
        written_before_ms: a file that was written later is spared: it is a newer upload on its way.
    """

    def __init__(
        self,
        store: ObjectStore,
        producer: Producer,
        gone: GoneList,
        generations: Sequence[Generation],
        *,
        written_before_ms: int,
    ) -> None:
        self._store = store
        self._producer = producer
        self._cleaner = Cleaner(store)
        self._gone = gone
        self._generations = generations
        self._written_before_ms = written_before_ms

    async def run(self, unused: Sequence[UnusedDocument]) -> int:
        """Expire documents and return how many. May be broken off, and repeated, at any time.

        Raises:
            DependencyDown: log or store is away; what was expired until then is.
        """
        for start in range(0, len(unused), _BATCH_DOCUMENTS):
            batch = unused[start : start + _BATCH_DOCUMENTS]
            await self._publish(batch)
            for document in batch:
                await self._gone.add(document.tenant, document.doc_id, document.version)
                await self._erase(document)
        return len(unused)

    async def _publish(self, batch: Iterable[UnusedDocument]) -> None:
        futures = [
            self._producer.send(
                index_updates(generation.name),
                _tombstone(document, generation),
                key=document.doc_id,
                partition=shard_of(document.doc_id, generation.n_shards),
            )
            for document in batch
            for generation in self._generations
        ]
        try:
            async with asyncio.timeout(_ACK_TIMEOUT_S):
                await asyncio.gather(*(asyncio.wrap_future(future) for future in futures))
        except TimeoutError as exc:
            raise DependencyDown("kafka") from exc

    async def _erase(self, document: UnusedDocument) -> None:
        """Remove what the store keeps of this version and older ones."""
        await self._cleaner.erase(
            await self._file_of(document),
            document.version + 1,
            generations=[generation.name for generation in self._generations],
            spaces={generation.space_id for generation in self._generations},
        )

    async def _file_of(self, document: UnusedDocument) -> FileAdded:
        """The document's file as the event of its delete would name it.

        Where the file is not old enough to be the one that expires, the event has no etag, and the file is spared.
        """
        event = file_added(
            document.source_key,
            uri=_uri(document),
            etag=None,
            content_type=document.content_type,
            size_bytes=0,
            at_ms=document.added_ms,
            tenant=document.tenant,
            collection=document.collection,
        )
        event = msgspec.structs.replace(event, event="deleted", doc_id=document.doc_id)
        try:
            meta = await self._store.head(event.uri)
        except NotFound:
            return event
        if meta.modified_ms >= self._written_before_ms:
            return event
        return msgspec.structs.replace(event, etag=meta.etag, modified_ms=meta.modified_ms)


def _tombstone(document: UnusedDocument, generation: Generation) -> IndexUpdate:
    return IndexUpdate(
        op="expire",
        tenant=document.tenant,
        doc_id=document.doc_id,
        version=document.version,
        revision=REVISION_EXPIRED,
        generation=generation.name,
        space_id=generation.space_id,
    )


def _uri(document: UnusedDocument) -> str:
    """Key of the document's file; of a name that no store can hold, a key under which nothing lies."""
    try:
        return object_key(document.tenant, document.collection, document.source_key)
    except InvalidInput:
        return f"objects/{document.doc_id}"
