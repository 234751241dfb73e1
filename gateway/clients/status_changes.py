"""What one listener has not yet heard: ids of changed documents, each once, in a bounded set."""

import asyncio
from collections.abc import Iterable

_MOST_WAITING = 2_000


class Changes:
    """Ids of one tenant's documents that changed since the last look. Use it inside one event loop.

    `mark` names how far changes had come when the last were taken in; after `next` all up to it are told.

    A listener that falls behind by more than a bound loses the ids, not the fact: it is told to look at all.
    """

    def __init__(self, tenant: str, mark: str = "") -> None:
        self.mark = mark
        self._tenant = tenant
        self._waiting: dict[str, None] = {}
        self._lost = False
        self._news = asyncio.Event()

    def add(self, changed: Iterable[tuple[str, str]], mark: str = "") -> None:
        """Take in (tenant, doc_id) pairs; other tenants' are left out. `mark` tells how far they go."""
        self.mark = mark
        for tenant, doc_id in changed:
            if tenant != self._tenant:
                continue
            if len(self._waiting) >= _MOST_WAITING:
                self._lost = True
                self._waiting.clear()
            self._waiting[doc_id] = None
            self._news.set()

    async def next(self) -> tuple[str, ...] | None:
        """Wait for changes and take them all; None when there were too many to name."""
        await self._news.wait()
        self._news.clear()
        lost, self._lost = self._lost, False
        ids = tuple(self._waiting)
        self._waiting.clear()
        return None if lost else ids
