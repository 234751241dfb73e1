"""Documents: upload, state, list, delete, and originals. What happens behind the log is not known here."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from contracts.api import DocumentList, DocumentView, has_bytes
from contracts.errors import Forbidden, InvalidInput, NotFound, Overloaded
from contracts.ids import document_id
from contracts.keys import object_key
from contracts.trace import TraceContext
from gateway.core.links import Links
from gateway.core.status_view import SETTLED, read_cursor
from gateway.core.upload import Upload
from gateway.flows.document_changes import Change, WantedChanges, follow_changes
from gateway.flows.document_ports import Publisher, StatusView, Store

# The answer to a write waits this long for the write to show up in our own view of documents.
_OWN_WRITE_S = 2.0
# Uploads of one document go one after the other, so that the second sees what the first has brought.
_UPLOAD_LOCKS = 64


@dataclass(frozen=True, slots=True)
class StoredFile:
    """Bytes to hand out, and what they are."""

    data: bytes
    content_type: str
    name: str


class Documents:
    """The life of documents as callers see it.

    Args:
        uploads_at_once: requests with files that are received side by side. uploads_waiting: how many more may
            wait for a turn.
    """

    def __init__(
        self,
        publisher: Publisher,
        status: StatusView,
        store: Store,
        links: Links,
        *,
        uploads_at_once: int = 4,
        uploads_waiting: int = 64,
    ) -> None:
        self._publisher = publisher
        self._status = status
        self._store = store
        self._links = links
        self._turns = asyncio.Semaphore(uploads_at_once)
        self._places = uploads_at_once + uploads_waiting
        self._upload_locks = [asyncio.Lock() for _ in range(_UPLOAD_LOCKS)]

    @contextlib.asynccontextmanager
    async def upload_turn(self) -> AsyncIterator[None]:
        """Wait for a turn before a body is read.

        Raises:
            Overloaded: too many uploads wait already.
        """
        if self._places == 0:
            raise Overloaded("Too many files are being uploaded at the moment.", retry_after_s=2.0)
        self._places -= 1
        try:
            async with self._turns:
                yield
        finally:
            self._places += 1

    async def upload(
        self,
        tenant: str,
        collection: str,
        uploads: Sequence[Upload],
        trace: TraceContext,
        *,
        readers: tuple[str, ...] = (),
        may_see: Callable[[DocumentView], bool] = lambda _: True,
    ) -> list[tuple[DocumentView, bool]]:
        """Take files in. On return they are stored and announced; the workers do the rest.

        All are looked at before any is taken in. Bytes that the document has already are not taken in again,
        unless others shall see it.

        Args:
            readers: groups that may see them; empty for all of the tenant's callers.
            may_see: which documents the caller may know of; no other is replaced.

        Returns:
            For each file its document, and whether it got a new version.

        Raises:
            Forbidden: a document of that name is there which the caller may not see.
            UnsupportedMedia: a kind of file that is not read. InvalidInput: empty file, or a name that cannot be.
            DependencyDown: the store or the log is away. Of several files some may have been taken in: to send all
                of them again does no harm.
        """
        for upload in uploads:
            object_key(tenant, collection, upload.source_key)
            known = await self._status.get(tenant, document_id(tenant, collection, upload.source_key))
            if known is not None and not may_see(known):
                raise Forbidden("A document of this name is there already, and this key may not replace it.")
        types = [
            await asyncio.to_thread(upload.content_type) if upload.is_on_disk else upload.content_type()
            for upload in uploads
        ]
        return [
            await self._take_in(tenant, collection, upload, content_type, trace, readers)
            for upload, content_type in zip(uploads, types, strict=True)
        ]

    async def _take_in(
        self,
        tenant: str,
        collection: str,
        upload: Upload,
        content_type: str,
        trace: TraceContext,
        readers: tuple[str, ...],
    ) -> tuple[DocumentView, bool]:
        doc_id = document_id(tenant, collection, upload.source_key)
        async with self._upload_locks[hash(doc_id) % _UPLOAD_LOCKS]:
            known = await self._status.get(tenant, doc_id)
            if known and has_bytes(known, upload.sha256) and tuple(known.readers) == readers:
                return self._with_link(tenant, known), False
            upload.file.seek(0)
            _, version = await self._publisher.publish(
                tenant, collection, upload.source_key, upload.file, content_type, trace, readers=readers
            )
            view = await self._own_write(tenant, doc_id, version)
        view = view or DocumentView(
            doc_id=doc_id,
            state="processing",
            version=version,
            visible_version=None,
            source=upload.source_key,
            collection=collection,
            content_type=content_type,
            size_bytes=upload.size_bytes,
            reason=None,
            trace_id=trace.trace_id,
            sha256=upload.sha256,
            readers=list(readers),
        )
        return view, True

    async def settled(self, tenant: str, view: DocumentView, *, timeout_s: float) -> DocumentView:
        """Wait until a version has come to its end; after `timeout_s` the view is what is known then."""
        later = await self._seen(
            tenant,
            view.doc_id,
            lambda v: v.version > view.version or (v.version == view.version and v.state in SETTLED),
            timeout_s=timeout_s,
        )
        return self._with_link(tenant, later) if later and later.version >= view.version else view

    async def get(self, tenant: str, doc_id: str) -> DocumentView:
        """A document with each stage.

        Raises:
            NotFound: never heard of.
        """
        view = await self._status.get(tenant, doc_id)
        if view is None:
            raise NotFound("There is no document with this id.")
        return self._with_link(tenant, view)

    async def list(
        self,
        tenant: str,
        *,
        state: str | None,
        cursor: str | None,
        limit: int,
        collections: tuple[str, ...] | None = None,
    ) -> DocumentList:
        """A page of documents, the newest first; the first page also counts them by state.

        Raises:
            InvalidInput: the cursor is none of ours.
        """
        after = read_cursor(cursor) if cursor else None
        views, more = await self._status.page(
            tenant, state=state, after=after, limit=limit, collections=collections
        )
        counts = None if cursor else await self._status.counts(tenant, collections)
        return DocumentList(
            [self._with_link(tenant, view) for view in views], more.cursor() if more else None, counts
        )

    async def delete(self, tenant: str, doc_id: str, trace: TraceContext) -> DocumentView:
        """Announce that a document goes. One that is gone, or going, is left alone.

        Raises:
            NotFound: never heard of. DependencyDown: the log is away; nothing happened.
        """
        view = await self.get(tenant, doc_id)
        if view.state in {"deleting", "deleted"}:
            return view
        if view.source is None or view.collection is None:
            raise InvalidInput("The document's name is not known yet. Try again in a moment.")
        _, version = await self._publisher.delete(
            tenant, view.collection, view.source, view.content_type or "application/octet-stream", trace
        )
        return await self._own_write(tenant, doc_id, version) or replace(view, state="deleting", version=version)

    def changes(self, tenant: str, wanted: WantedChanges, *, every_s: float) -> AsyncGenerator[Change, None]:
        """Documents as they change; see `follow_changes`."""
        return follow_changes(self._status, partial(self._with_link, tenant), tenant, wanted, every_s=every_s)

    async def original(self, tenant: str, doc_id: str) -> StoredFile:
        """The bytes that were uploaded last.

        Raises:
            NotFound: no such document, or it was deleted.
        """
        view = await self.get(tenant, doc_id)
        if view.source is None or view.collection is None or view.file_url is None:
            raise NotFound("The document's file is no longer kept.")
        try:
            data = await self._store.get(object_key(tenant, view.collection, view.source))
        except NotFound:
            # Who puts a file into the bucket need not write its name as our doors do.
            data = await self._store.get(f"objects/{tenant}/{view.collection}/{view.source}")
        return StoredFile(data, view.content_type or "application/octet-stream", view.source.rsplit("/", 1)[-1])

    async def _own_write(self, tenant: str, doc_id: str, version: int) -> DocumentView | None:
        view = await self._seen(tenant, doc_id, lambda v: v.version >= version, timeout_s=_OWN_WRITE_S)
        return self._with_link(tenant, view) if view and view.version >= version else None

    async def _seen(
        self, tenant: str, doc_id: str, until: Callable[[DocumentView], bool], *, timeout_s: float
    ) -> DocumentView | None:
        """The document once `until` holds, or as it is when that takes too long or too many wait already."""
        try:
            return await self._status.wait_for(tenant, doc_id, until, timeout_s=timeout_s)
        except Overloaded:
            return await self._status.get(tenant, doc_id)

    def _with_link(self, tenant: str, view: DocumentView) -> DocumentView:
        gone = view.state in {"deleting", "deleted", "expired"}
        return view if gone else replace(view, file_url=self._links.file(view.doc_id, tenant))
