"""The gateway's own view of every document's state, read from a local SQLite file that a thread keeps fresh."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from contracts.api import DocumentView
from contracts.errors import Overloaded
from gateway.clients.status_changes import Changes
from gateway.clients.status_follower import StatusFollower
from gateway.clients.status_rows import StatusRows
from gateway.core.status_view import Position, view_of

T = TypeVar("T")

_MAX_SUBSCRIBERS = 256


class StatusFold:
    """Documents by id and in pages, and news of changes. Create it inside the event loop that uses it.

    Args:
        path: the SQLite file; one gateway process each.
    """

    def __init__(self, bootstrap: str, path: Path, *, client_id: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._rows = StatusRows(path)
        self._reading = ThreadPoolExecutor(1, thread_name_prefix="status-read")
        self._subscribers: set[Changes] = set()
        self._follower = StatusFollower(
            bootstrap, client_id, open_rows=lambda: StatusRows(path), changed=self._tell_subscribers
        )

    def start(self) -> None:
        """Begin to follow the log."""
        self._follower.start()

    def stop(self) -> None:
        """Stop following and close the file. Blocks for up to some seconds."""
        self._follower.stop()
        self._reading.shutdown(wait=True)
        self._rows.close()

    @property
    def caught_up(self) -> bool:
        """Whether the end of the log was reached once; before that, documents may be missing."""
        return self._follower.caught_up

    async def get(self, tenant: str, doc_id: str) -> DocumentView | None:
        """A document's view, or None."""
        status = await self._read(lambda: self._rows.get(tenant, doc_id))
        return view_of(status) if status else None

    async def page(
        self,
        tenant: str,
        *,
        state: str | None,
        after: Position | None,
        limit: int,
        collections: tuple[str, ...] | None = None,
    ) -> tuple[list[DocumentView], Position | None]:
        """Documents, the newest first, and where the next page begins (None after the last)."""

        def read() -> tuple[list[DocumentView], Position | None]:
            rows = self._rows.page(tenant, state, after, limit + 1, collections=collections)
            found = [self._rows.get(tenant, position.doc_id) for position in rows[:limit]]
            return [view_of(status) for status in found if status], rows[limit - 1] if len(rows) > limit else None

        return await self._read(read)

    async def counts(self, tenant: str, collections: tuple[str, ...] | None) -> dict[str, int]:
        """Documents by state."""
        return await self._read(lambda: self._rows.counts(tenant, collections))

    async def mark(self) -> str:
        """How far changes have come."""
        return await self._read(self._rows.mark)

    async def changed_since(self, tenant: str, mark: str, limit: int) -> list[str] | None:
        """Documents that changed after a mark, or None where that cannot be told; see `StatusRows`."""
        return await self._read(lambda: self._rows.changed_since(tenant, mark, limit))

    async def wait_for(
        self, tenant: str, doc_id: str, until: Callable[[DocumentView], bool], *, timeout_s: float
    ) -> DocumentView | None:
        """Wait until a document's view satisfies `until`; after `timeout_s` the view is what it is then."""
        with self.subscribe(tenant) as changes:
            view = await self.get(tenant, doc_id)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    while view is None or not until(view):
                        ids = await changes.next()
                        if ids is None or doc_id in ids:
                            view = await self.get(tenant, doc_id)
            return view

    @contextlib.contextmanager
    def subscribe(self, tenant: str) -> Iterator[Changes]:
        """News of a tenant's changed documents while the context lasts.

        Raises:
            Overloaded: too many are listening already.
        """
        if len(self._subscribers) >= _MAX_SUBSCRIBERS:
            raise Overloaded("Too many callers wait for news of documents at the moment.", retry_after_s=5.0)
        changes = Changes(tenant)
        self._subscribers.add(changes)
        try:
            yield changes
        finally:
            self._subscribers.discard(changes)

    async def _read(self, work: Callable[[], T]) -> T:
        return await self._loop.run_in_executor(self._reading, work)

    def _tell_subscribers(self, changed: set[tuple[str, str]], mark: str) -> None:
        def tell() -> None:
            for subscriber in self._subscribers:
                subscriber.add(changed, mark)

        with contextlib.suppress(RuntimeError):  # The loop ends while the gateway stops.
            self._loop.call_soon_threadsafe(tell)
