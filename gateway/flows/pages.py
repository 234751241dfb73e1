"""Pictures of documents' pages: the stored file, drawn elsewhere, a few at a time, within a deadline."""

import asyncio
from typing import Protocol

from contracts.api import DocumentView
from contracts.errors import (
    DeadlineExceeded,
    DocumentFailed,
    NotFound,
    Overloaded,
    UnsupportedMedia,
)
from contracts.media import READABLE, judge
from gateway.core.pages import DRAWABLE, NoSuchPage, PageFailed, PageImage, PageReply, PageWanted
from gateway.flows.documents import StoredFile


class Renderer(Protocol):
    """Draws pages; `gateway.clients.page_renderer.PageRenderer` does."""

    async def draw(self, wanted: PageWanted) -> PageReply:
        """A page, or why there is none. Raises DocumentFailed, DependencyDown."""
        ...


class Originals(Protocol):
    """Knows the files of documents; `gateway.flows.documents.Documents` does."""

    async def original(self, tenant: str, doc_id: str) -> StoredFile:
        """The bytes that were uploaded last. Raises NotFound, DependencyDown."""
        ...


class Pages:
    """Use it inside one event loop.

    Args:
        at_once: pages drawn side by side; each has a process, and its document in memory.
        max_waiting: how many more may wait for a turn.
        timeout_s: for one page, the wait for its turn included.
    """

    def __init__(
        self,
        originals: Originals,
        renderer: Renderer,
        *,
        at_once: int = 2,
        max_waiting: int = 16,
        timeout_s: float = 10.0,
    ) -> None:
        self._originals = originals
        self._renderer = renderer
        self._turns = asyncio.Semaphore(at_once)
        self._places = at_once + max_waiting
        self._timeout_s = timeout_s

    async def draw(
        self, tenant: str, view: DocumentView, *, page: int, width: int, quote: str | None = None
    ) -> PageImage:
        """One page of a document's file as it was uploaded last.

        Args:
            view: of the document, which the caller may see.
            quote: words whose places on the page are wanted too.

        Raises:
            NotFound: no such page, or the file is no longer kept. UnsupportedMedia: a kind without pages.
            DocumentFailed: it cannot be drawn. Overloaded: too many pages wait already.
            DeadlineExceeded: it took too long. DependencyDown: the store is away.
        """
        if self._places == 0:
            raise Overloaded("Too many pages are being drawn at the moment.")
        self._places -= 1
        try:
            async with asyncio.timeout(self._timeout_s), self._turns:
                file = await self._originals.original(tenant, view.doc_id)
                reply = await self._renderer.draw(_wanted(file, page, width, quote))
        except TimeoutError as exc:
            raise DeadlineExceeded(f"The page was not drawn within {self._timeout_s:g} seconds.") from exc
        finally:
            self._places += 1
        match reply:
            case NoSuchPage(n_pages):
                pages = "1 page" if n_pages == 1 else f"{n_pages} pages"
                raise NotFound(f"There is no page {page}: the document has {pages}.")
            case PageFailed(cause, reason):
                raise DocumentFailed(cause, reason)
        return reply


def _wanted(file: StoredFile, page: int, width: int, quote: str | None) -> PageWanted:
    kind = judge(file.data, file.name).content_type
    if kind not in DRAWABLE:
        what = READABLE.get(kind or "", "of a kind that is not read")
        raise UnsupportedMedia(f"The document is {what}; only PDF documents and pictures have pages to show.")
    return PageWanted(content_type=kind, page=page, width=width, data=file.data, quote=quote)
