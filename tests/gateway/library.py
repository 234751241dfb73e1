"""Fakes behind the documents flow: a log in memory and the fold of it, a store in a dictionary, a door."""

import asyncio
import contextlib
import hashlib
import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from contracts.api import DocumentView
from contracts.errors import DependencyDown, NotFound, Overloaded
from contracts.ids import document_id, version_of
from contracts.keys import object_key
from contracts.status import StageEvent, StageState, StatusStage, fold
from contracts.trace import TraceContext
from gateway.clients.status_changes import Changes
from gateway.core.status_view import Position, view_of


class MemoryStatus:
    """Documents as the fold of the events given to it, in this process."""

    def __init__(self) -> None:
        self._events: dict[str, list[StageEvent]] = {}
        self._subscribers: set[Changes] = set()
        self.places = 256
        self._changed: list[str] = []

    def tell(self, event: StageEvent) -> None:
        """One more record on the log."""
        self._events.setdefault(event.doc_id, []).append(event)
        self._changed.append(event.doc_id)
        for subscriber in self._subscribers:
            subscriber.add([(event.tenant, event.doc_id)], f"here-{len(self._changed)}")

    def stage(self, doc_id: str, stage: StatusStage, state: StageState = "done", **fields: object) -> None:
        """A worker's word about the newest version of a document."""
        known = self._events[doc_id][-1]
        values: dict[str, object] = {
            "version": max(e.version for e in self._events[doc_id]),
            "at_ms": known.at_ms + 1,
        }
        self.tell(
            StageEvent(tenant=known.tenant, doc_id=doc_id, stage=stage, state=state, **values | fields)  # type: ignore[arg-type]
        )

    async def get(self, tenant: str, doc_id: str) -> DocumentView | None:
        events = [event for event in self._events.get(doc_id, ()) if event.tenant == tenant]
        return view_of(fold(events)) if events else None

    async def page(
        self,
        tenant: str,
        *,
        state: str | None,
        after: Position | None,
        limit: int,
        collections: tuple[str, ...] | None = None,
    ) -> tuple[list[DocumentView], Position | None]:
        views = [view for doc_id in self._events if (view := await self.get(tenant, doc_id))]
        placed = {
            Position(min(event.at_ms for event in self._events[view.doc_id]), view.doc_id): view
            for view in views
            if state in (None, view.state) and (collections is None or view.collection in collections)
        }
        rest = [(position, placed[position]) for position in sorted(placed, reverse=True)]
        rest = [(position, view) for position, view in rest if after is None or position < after]
        return [view for _, view in rest[:limit]], rest[limit - 1][0] if len(rest) > limit else None

    async def counts(self, tenant: str, collections: tuple[str, ...] | None) -> dict[str, int]:
        views, _ = await self.page(tenant, state=None, after=None, limit=10**6, collections=collections)
        return dict(Counter(view.state for view in views))

    async def mark(self) -> str:
        return f"here-{len(self._changed)}"

    async def changed_since(self, tenant: str, mark: str, limit: int) -> list[str] | None:
        life, _, change = mark.partition("-")
        if life != "here" or not change.isdecimal():
            return None
        missed = list(dict.fromkeys(self._changed[int(change) :]))
        return missed if len(missed) <= limit else None

    async def wait_for(
        self, tenant: str, doc_id: str, until: Callable[[DocumentView], bool], *, timeout_s: float
    ) -> DocumentView | None:
        with self.subscribe(tenant) as changes, contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while (view := await self.get(tenant, doc_id)) is None or not until(view):
                    await changes.next()
        return await self.get(tenant, doc_id)

    @contextlib.contextmanager
    def subscribe(self, tenant: str) -> Iterator[Changes]:
        if len(self._subscribers) >= self.places:
            raise Overloaded("Too many callers wait for news of documents at the moment.")
        changes = Changes(tenant)
        self._subscribers.add(changes)
        try:
            yield changes
        finally:
            self._subscribers.discard(changes)


@dataclass
class DictStore:
    """Objects in a dictionary."""

    objects: dict[str, bytes] = field(default_factory=dict)

    async def get(self, key: str) -> bytes:
        if key not in self.objects:
            raise NotFound("The object is not in the store.")
        return self.objects[key]


@dataclass
class MemoryDoor:
    """Publishes into the fakes above; refuses everything while it is not `up`."""

    store: DictStore
    status: MemoryStatus
    up: bool = True
    at_ms: int = 1_795_000_000_000

    def __post_init__(self) -> None:
        self._offsets = itertools.count()

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
        if not self.up:
            raise DependencyDown("kafka")
        stored = data.read()
        self.store.objects[object_key(tenant, collection, source_key)] = stored
        return self._tell(tenant, collection, source_key, content_type, trace, "upsert", stored, readers)

    async def delete(
        self, tenant: str, collection: str, source_key: str, content_type: str, trace: TraceContext
    ) -> tuple[str, int]:
        if not self.up:
            raise DependencyDown("kafka")
        return self._tell(tenant, collection, source_key, content_type, trace, "delete")

    def _tell(
        self,
        tenant: str,
        collection: str,
        source_key: str,
        content_type: str,
        trace: TraceContext,
        op: str,
        stored: bytes = b"",
        readers: tuple[str, ...] = (),
    ) -> tuple[str, int]:
        offset = next(self._offsets)
        event = StageEvent(
            tenant=tenant,
            doc_id=document_id(tenant, collection, source_key),
            version=version_of(1, offset),
            stage="door",
            state="done",
            at_ms=self.at_ms + offset,
            op=op,  # type: ignore[arg-type]
            trace_id=trace.trace_id,
            collection=collection,
            source_key=source_key,
            content_type=content_type,
            size_bytes=len(stored),
            sha256=hashlib.sha256(stored).hexdigest() if op == "upsert" else None,
            readers=readers,
        )
        self.status.tell(event)
        return event.doc_id, event.version
