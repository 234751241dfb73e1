"""News of documents for one listener: what changed, from where it left off, to where it stands now."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal, Protocol

from contracts.api import DocumentView

# Who missed more reads the list again.
_MOST_MISSED = 1000


class Changed(Protocol):
    """News of changed documents."""

    @property
    def mark(self) -> str:
        """How far changes had come when the last were taken in."""
        ...

    async def next(self) -> tuple[str, ...] | None:
        """Ids since the last call; None when there were too many to name."""
        ...


class StatusNews(Protocol):
    """What is known of documents, and news of it."""

    async def get(self, tenant: str, doc_id: str) -> DocumentView | None:
        """One document, or None."""
        ...

    async def mark(self) -> str:
        """How far changes have come."""
        ...

    async def changed_since(self, tenant: str, mark: str, limit: int) -> Sequence[str] | None:
        """Documents that changed after a mark, or None where that cannot be told."""
        ...

    def subscribe(self, tenant: str) -> AbstractContextManager[Changed]:
        """News of changes. Raises Overloaded when too many listen."""
        ...


@dataclass(frozen=True, slots=True)
class WantedChanges:
    """What a listener wants to hear.

    Args:
        since: a mark of an earlier change.
        doc_ids, collection: only of these documents, where any are named.
        may_see: which documents the listener may know of.
    """

    since: str | None = None
    doc_ids: frozenset[str] = frozenset()
    collection: str | None = None
    may_see: Callable[[DocumentView], bool] = lambda _: True


@dataclass(frozen=True, slots=True)
class Change:
    """News for a listener: a document, or a word about the news themselves.

    Args:
        mark: everything up to it has been told; who comes back names it.
    """

    kind: Literal["document", "mark", "reload", "too_slow"]
    view: DocumentView | None = None
    mark: str | None = None


async def follow_changes(
    status: StatusNews,
    shown: Callable[[DocumentView], DocumentView],
    tenant: str,
    wanted: WantedChanges,
    *,
    every_s: float,
) -> AsyncGenerator[Change, None]:
    """Documents as they change, each at most once in `every_s`.

    The first says "reload", so that a listener that reads the list after it misses nothing; where `since` still
    tells what changed meanwhile, those changes come instead. It ends with "too_slow" for a listener that has
    fallen too far behind, who may go on with `since` the last mark.

    Args:
        shown: makes a view ready for callers.

    Raises:
        Overloaded: too many listen already.
    """
    with status.subscribe(tenant) as news:
        mark = await status.mark()
        missed = await status.changed_since(tenant, wanted.since, _MOST_MISSED) if wanted.since else None
        if missed is None:
            yield Change("reload", mark=mark)
        ids: Sequence[str] = missed or ()
        while True:
            for doc_id in ids:
                if wanted.doc_ids and doc_id not in wanted.doc_ids:
                    continue
                view = await status.get(tenant, doc_id)
                if view is not None and wanted.collection in (None, view.collection) and wanted.may_see(view):
                    yield Change("document", shown(view))
            if ids:
                # Only now is everything up to the mark told.
                yield Change("mark", mark=mark)
            await asyncio.sleep(every_s)
            changed = await news.next()
            if changed is None:
                yield Change("too_slow")
                return
            ids, mark = changed, news.mark
