"""Claims documents for a batch job: their bytes into the store, an event on the log that gives their versions."""

import asyncio
import hashlib
from collections.abc import Sequence

from contracts.documents import file_added
from contracts.errors import NotFound
from contracts.ids import document_id
from contracts.keys import object_key
from contracts.media import sniff_upload
from ingest.batch.checkpoint import BatchCheckpoint, Claim
from ingest.cleanup import Cleaner
from ingest.clock import now_ms
from runtime.object_store import ObjectStore
from runtime.publishing import DocumentPublisher
from runtime.telemetry import new_trace

_AT_ONCE = 32


def job_id(source: str, tenant: str, collection: str, per_batch: int) -> str:
    """The job's name: the same command names the same job, and so goes on with it."""
    told = "\n".join((source, tenant, collection, str(per_batch)))
    return hashlib.sha256(told.encode()).hexdigest()[:16]


class Claiming:
    """Claims the documents of one source.

    Args:
        generations: live ones; a document that has items in all of them, of these bytes, is skipped.
    """

    def __init__(
        self,
        job: str,
        source: ObjectStore,
        store: ObjectStore,
        publisher: DocumentPublisher,
        generations: Sequence[str],
        *,
        tenant: str,
        collection: str,
    ) -> None:
        self._job = job
        self._source = source
        self._store = store
        self._publisher = publisher
        self._generations = generations
        self._cleaner = Cleaner(store)
        self._tenant = tenant
        self._collection = collection

    async def names(self) -> list[str]:
        """What the source holds, in an order that stays."""
        return sorted([meta.key async for meta in self._source.list("")])

    async def claim(self, names: Sequence[str]) -> BatchCheckpoint:
        """Claim those of these documents that are not indexed as they are.

        Raises:
            DependencyDown: store or log is away; what was claimed already is claimed again by the next try.
            InvalidInput: a name that the store cannot hold.
        """
        turns = asyncio.Semaphore(_AT_ONCE)

        async def one(name: str) -> Claim | None:
            async with turns:
                return await self._claim(name)

        found = await asyncio.gather(*(one(name) for name in names))
        claims = tuple(claim for claim in found if claim is not None)
        return BatchCheckpoint(claims=claims, skipped=len(names) - len(claims))

    async def _claim(self, name: str) -> Claim | None:
        data = await self._source.get(name)
        if await self._is_indexed(name, data):
            return None
        content_type = sniff_upload(data, name)
        published = await self._publisher.publish(
            self._tenant,
            self._collection,
            name,
            data,
            content_type,
            new_trace(),
            lane="bulk",
            claimed_by=self._job,
        )
        key = object_key(self._tenant, self._collection, name)
        document = file_added(
            name,
            uri=key,
            etag=(await self._store.head(key)).etag,
            content_type=content_type,
            size_bytes=len(data),
            at_ms=now_ms(),
            tenant=self._tenant,
            collection=self._collection,
            lane="bulk",
            sha256=hashlib.sha256(data).hexdigest(),
        )
        return Claim(document=document, version=published.version)

    async def _is_indexed(self, name: str, data: bytes) -> bool:
        doc_id = document_id(self._tenant, self._collection, name)
        for generation in self._generations:
            if await self._cleaner.newest_items(generation, doc_id) is None:
                return False
        try:
            return await self._store.get(object_key(self._tenant, self._collection, name)) == data
        except NotFound:
            return False
