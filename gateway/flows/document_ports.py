"""What the documents flow needs from outside: the fold of the status, a way onto the log, and the store."""

from collections.abc import Callable
from typing import BinaryIO, Protocol

from contracts.api import DocumentView
from contracts.trace import TraceContext
from gateway.core.status_view import Position
from gateway.flows.document_changes import StatusNews


class StatusView(StatusNews, Protocol):
    """What is known of documents; `gateway.clients.status_fold.StatusFold` knows it."""

    async def page(
        self,
        tenant: str,
        *,
        state: str | None,
        after: Position | None,
        limit: int,
        collections: tuple[str, ...] | None = None,
    ) -> tuple[list[DocumentView], Position | None]:
        """Documents, the newest first, and where the next page begins."""
        ...

    async def counts(self, tenant: str, collections: tuple[str, ...] | None) -> dict[str, int]:
        """Documents by state."""
        ...

    async def wait_for(
        self, tenant: str, doc_id: str, until: Callable[[DocumentView], bool], *, timeout_s: float
    ) -> DocumentView | None:
        """The document once `until` holds, or as it is after `timeout_s`. Raises Overloaded when too many wait."""
        ...


class Publisher(Protocol):
    """Puts documents on their way; `runtime.publishing.DocumentPublisher` does. All or nothing."""

    async def publish(
        self,
        tenant: str,
        collection: str,
        source_key: str,
        data: BinaryIO,
        content_type: str,
        trace: TraceContext,
        *,
        readers: tuple[str, ...] = (),
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
