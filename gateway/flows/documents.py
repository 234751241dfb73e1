"""Documents: upload, state, list, delete, and originals. What happens behind the log is not known here."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Protocol

from contracts.api import DocumentList, DocumentView
from contracts.errors import InvalidInput, NotFound, Overloaded
from contracts.keys import object_key
from contracts.media import sniff_upload
from contracts.trace import TraceContext
from gateway.core.links import Links
from gateway.core.status_view import SETTLED, Position, read_cursor

# The answer to a write waits this long for the write to show up in our own view of documents.
_OWN_WRITE_S = 2.0


class Changed(Protocol):
    """News of changed documents."""

    async def next(self) -> tuple[str, ...] | None:
        """Ids since the last call; None when there were too many to name."""
        ...


class StatusView(Protocol):
    """What is known of documents; `gateway.clients.status_fold.StatusFold` knows it."""

    async def get(self, tenant: str, doc_id: str) -> DocumentView | None:
        """One document, or None."""
        ...

    async def page(
        self, tenant: str, *, state: str | None, after: Position | None, limit: int
    ) -> tuple[list[DocumentView], Position | None]:
        """Documents, the newest first, and where the next page begins."""
        ...

    async def wait_for(
        self, tenant: str, doc_id: str, until: Callable[[DocumentView], bool], *, timeout_s: float
    ) -> DocumentView | None:
        """The document once `until` holds, or as it is after `timeout_s`. Raises Overloaded when too many wait."""
        ...

    def subscribe(self, tenant: str) -> AbstractContextManager[Changed]:
        """News of changes. Raises Overloaded when too many listen."""
        ...


class Publisher(Protocol):
    """Puts documents on their way; `runtime.publishing.DocumentPublisher` does. All or nothing."""

    async def publish(
        self, tenant: str, collection: str, source_key: str, data: bytes, content_type: str, trace: TraceContext
    ) -> tuple[str, int]:
        """Document id and version. Raises DependencyDown when the log or the store is away."""
        ...

    async def delete(
        self, tenant: str, collection: str, source_key: str, content_type: str, trace: TraceContext
    ) -> tuple[str, int]:
        """Document id and the version that removes it. Raises DependencyDown."""
        ...


class Store(Protocol):
    """Reads objects; `runtime.object_store.ObjectStore` does."""

    async def get(self, key: str) -> bytes:
        """An object's bytes. Raises NotFound, DependencyDown."""
        ...


@dataclass(frozen=True, slots=True)
class StoredFile:
    """Bytes to hand out, and what they are."""

    data: bytes
    content_type: str
    name: str


class Documents:
    """The life of documents as callers see it.

    Args:
        uploads_at_once: files held in memory side by side. uploads_waiting: how many more may wait for a turn.
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

    @contextlib.asynccontextmanager
    async def upload_turn(self) -> AsyncIterator[None]:
        """Wait for a turn before a body is read into memory.

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
        self, tenant: str, collection: str, source_key: str, data: bytes, trace: TraceContext
    ) -> DocumentView:
        """Take a file in. On return it is stored and announced; the workers do the rest.

        Raises:
            UnsupportedMedia: a kind of file that is not read. InvalidInput: empty file, or a name that cannot be.
            DependencyDown: the store or the log is away; nothing was taken in.
        """
        object_key(tenant, collection, source_key)
        content_type = sniff_upload(data, source_key)
        doc_id, version = await self._publisher.publish(tenant, collection, source_key, data, content_type, trace)
        view = await self._own_write(tenant, doc_id, version)
        return view or DocumentView(
            doc_id=doc_id,
            state="processing",
            version=version,
            visible_version=None,
            source=source_key,
            collection=collection,
            content_type=content_type,
            size_bytes=len(data),
            reason=None,
            trace_id=trace.trace_id,
        )

    async def settled(self, tenant: str, view: DocumentView, *, timeout_s: float) -> DocumentView:
        """Wait until a version has come to its end; after `timeout_s` the view is what is known then."""
        later = await self._seen(
            tenant,
            view.doc_id,
            lambda v: v.version > view.version or (v.version == view.version and v.state in SETTLED),
            timeout_s=timeout_s,
        )
        return self._with_link(later) if later and later.version >= view.version else view

    async def get(self, tenant: str, doc_id: str) -> DocumentView:
        """A document with each stage.

        Raises:
            NotFound: never heard of.
        """
        view = await self._status.get(tenant, doc_id)
        if view is None:
            raise NotFound("There is no document with this id.")
        return self._with_link(view)

    async def list(self, tenant: str, *, state: str | None, cursor: str | None, limit: int) -> DocumentList:
        """A page of documents, the newest first.

        Raises:
            InvalidInput: the cursor is none of ours.
        """
        after = read_cursor(cursor) if cursor else None
        views, more = await self._status.page(tenant, state=state, after=after, limit=limit)
        return DocumentList([self._with_link(view) for view in views], more.cursor() if more else None)

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

    async def changes(self, tenant: str, *, every_s: float) -> AsyncGenerator[DocumentView | None, None]:
        """Documents as they change, each at most once in `every_s`. None means: look at the list.

        The first is always None, so a listener that reads the list after it misses nothing.

        Raises:
            Overloaded: too many listen already.
        """
        with self._status.subscribe(tenant) as news:
            yield None
            while True:
                ids = await news.next()
                if ids is None:
                    yield None
                for doc_id in ids or ():
                    view = await self._status.get(tenant, doc_id)
                    if view is not None:
                        yield self._with_link(view)
                await asyncio.sleep(every_s)

    async def original(self, tenant: str, doc_id: str) -> StoredFile:
        """The bytes that were uploaded last.

        Raises:
            NotFound: no such document, or it was deleted.
        """
        view = await self.get(tenant, doc_id)
        if view.source is None or view.collection is None or view.file_url is None:
            raise NotFound("The document's file is no longer kept.")
        data = await self._store.get(object_key(tenant, view.collection, view.source))
        return StoredFile(data, view.content_type or "application/octet-stream", view.source.rsplit("/", 1)[-1])

    async def _own_write(self, tenant: str, doc_id: str, version: int) -> DocumentView | None:
        view = await self._seen(tenant, doc_id, lambda v: v.version >= version, timeout_s=_OWN_WRITE_S)
        return self._with_link(view) if view and view.version >= version else None

    async def _seen(
        self, tenant: str, doc_id: str, until: Callable[[DocumentView], bool], *, timeout_s: float
    ) -> DocumentView | None:
        """The document once `until` holds, or as it is when that takes too long or too many wait already."""
        try:
            return await self._status.wait_for(tenant, doc_id, until, timeout_s=timeout_s)
        except Overloaded:
            return await self._status.get(tenant, doc_id)

    def _with_link(self, view: DocumentView) -> DocumentView:
        gone = view.state in {"deleting", "deleted", "expired"}
        return view if gone else replace(view, file_url=self._links.file(view.doc_id))
