"""Sends rows of several documents to a model together, uploads first, no faster than the model takes them.

Nothing is held back to fill a batch: what waits while calls are under way makes the next one. A full queue at the
model halves the number of calls under way and is waited out; each answer lets the number grow again.
"""

import asyncio
import heapq
import itertools
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from contracts.errors import DeadlineExceeded, DependencyDown, Overloaded
from contracts.tensors import PRIORITY_BULK
from contracts.trace import TraceContext

R = TypeVar("R")

_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 5.0

Compute = Callable[[Sequence[R], int, TraceContext], Awaitable[NDArray[np.float32]]]
"""Calls the model with rows, a Triton priority and a trace; float32 [n, dim]."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How much is under way.

    Args:
        rows: the most rows of one call.
        bulk_rows: the most rows of a backfill's call: a search may have to wait until it ends.
        calls: calls under way at most. Backfills leave one of them free where there are several.
        waiting: rows that may wait or be under way; more are refused.
        recent: vectors that are kept for who asked the cache before they were in it.
    """

    rows: int
    bulk_rows: int
    calls: int = 2
    waiting: int = 4096
    recent: int = 1024


class Watcher(Protocol):
    """Is told what happens, for metrics."""

    def called(self, rows: int) -> None:
        """A call of so many rows was answered."""
        ...

    def pushed_back(self) -> None:
        """The model's queue was full."""
        ...


@dataclass(slots=True, eq=False)
class _Entry(Generic[R]):
    digest: bytes
    row: R
    priority: int
    order: int
    trace: TraceContext
    vector: "asyncio.Future[bytes]"
    waiters: int = 0
    under_way: bool = False


class SharedBatches(Generic[R]):
    """One model's rows, of whatever document. Use it inside one event loop."""

    def __init__(
        self,
        compute: Compute[R],
        pace: Pace,
        watcher: Watcher,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._compute = compute
        self._pace = pace
        self._watcher = watcher
        self._sleep = sleep
        self._entries: dict[bytes, _Entry[R]] = {}
        self._recent: OrderedDict[bytes, bytes] = OrderedDict()
        self._queue: list[tuple[int, int, _Entry[R]]] = []
        self._orders = itertools.count()
        self._calls: set[asyncio.Task[None]] = set()
        self._window = float(pace.calls)
        self._pause: asyncio.Task[None] | None = None
        self._pause_s = _FIRST_PAUSE_S

    def holds(self, digest: bytes) -> bool:
        """Whether the vector of this digest is on its way for somebody already, or has just come."""
        return digest in self._entries or digest in self._recent

    async def vector(self, digest: bytes, row: R, *, priority: int, trace: TraceContext) -> bytes:
        """A row's vector, float32 little-endian; rows of one digest that are asked for together, or one soon after
        the other, are sent once.

        Raises:
            Overloaded: more rows wait than may.
            DependencyDown, DependencyFailed, DeadlineExceeded: the model gave no vectors.
        """
        if digest in self._recent:
            return self._recent[digest]
        entry = self._entries.get(digest)
        if entry is None:
            entry = self._new(digest, row, priority, trace)
        elif priority < entry.priority and not entry.under_way:
            entry.priority = priority
            self._push(entry)
        entry.waiters += 1
        self._start()
        try:
            return await asyncio.shield(entry.vector)
        finally:
            entry.waiters -= 1
            if not entry.waiters and not entry.under_way and self._entries.get(digest) is entry:
                del self._entries[digest]

    def _new(self, digest: bytes, row: R, priority: int, trace: TraceContext) -> _Entry[R]:
        if len(self._entries) >= self._pace.waiting:
            raise Overloaded("Too many texts and pictures wait to be embedded.", retry_after_s=1.0)
        vector: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        entry = _Entry(digest, row, priority, next(self._orders), trace, vector)
        self._entries[digest] = entry
        self._push(entry)
        return entry

    def _push(self, entry: _Entry[R]) -> None:
        heapq.heappush(self._queue, (entry.priority, entry.order, entry))

    def _start(self) -> None:
        """Begin calls while there are rows for them, and room; rows come a moment later, all of a document's."""
        asyncio.get_running_loop().call_soon(self._start_now)

    def _start_now(self) -> None:
        while self._pause is None and (priority := self._next_priority()) is not None:
            is_bulk = priority == PRIORITY_BULK
            calls = int(self._window) - (1 if is_bulk else 0)
            if len(self._calls) >= max(1, calls):
                return
            rows = self._take(priority, min(self._pace.rows, self._pace.bulk_rows) if is_bulk else self._pace.rows)
            task = asyncio.create_task(self._call(rows, priority))
            self._calls.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._calls.discard(task)
        self._start()

    def _next_priority(self) -> int | None:
        while self._queue and not _is_current(self._queue[0]):
            heapq.heappop(self._queue)
        return self._queue[0][0] if self._queue else None

    def _take(self, priority: int, rows: int) -> list[_Entry[R]]:
        taken: list[_Entry[R]] = []
        while len(taken) < rows and self._next_priority() == priority:
            entry = heapq.heappop(self._queue)[2]
            entry.under_way = True
            taken.append(entry)
        return taken

    async def _call(self, entries: list[_Entry[R]], priority: int) -> None:
        try:
            vectors = await self._compute([entry.row for entry in entries], priority, entries[0].trace)
        except asyncio.CancelledError:
            for entry in self._leaving(entries):
                entry.vector.cancel()
            raise
        except Overloaded as exc:
            self._push_back(entries, exc)
        except Exception as exc:  # noqa: BLE001 - whatever it is, it is the waiting documents' to judge
            if len(entries) > 1 and not isinstance(exc, DependencyDown | DeadlineExceeded):
                # One row may be at fault; its neighbours are other documents', who have nothing to do with it.
                for entry in entries:
                    await self._call([entry], priority)
                return
            for entry in self._leaving(entries):
                entry.vector.set_exception(exc)
                entry.vector.exception()  # Nobody may be waiting any more; that is no error.
        else:
            self._watcher.called(len(entries))
            self._window = min(float(self._pace.calls), self._window + 1 / self._window)
            self._pause_s = _FIRST_PAUSE_S
            for entry, vector in zip(self._leaving(entries), vectors, strict=True):
                made = vector.astype("<f4").tobytes()
                entry.vector.set_result(made)
                self._recent[entry.digest] = made
            while len(self._recent) > self._pace.recent:
                self._recent.popitem(last=False)

    def _leaving(self, entries: list[_Entry[R]]) -> list[_Entry[R]]:
        for entry in entries:
            del self._entries[entry.digest]
        return entries

    def _push_back(self, entries: list[_Entry[R]], error: Overloaded) -> None:
        """Put the rows where they were, in front, and leave the model alone for a while."""
        self._watcher.pushed_back()
        self._window = max(1.0, self._window / 2)
        for entry in entries:
            entry.under_way = False
            if entry.waiters:
                self._push(entry)
            else:
                del self._entries[entry.digest]
        if self._pause is None:
            wait_s = min(_LONGEST_PAUSE_S, max(self._pause_s, error.retry_after_s or 0.0))
            self._pause_s = min(_LONGEST_PAUSE_S, 2 * wait_s)
            self._pause = asyncio.create_task(self._resume_after(wait_s))

    async def _resume_after(self, wait_s: float) -> None:
        await self._sleep(wait_s)
        self._pause = None
        self._start_now()


def _is_current(queued: tuple[int, int, _Entry[R]]) -> bool:
    priority, _, entry = queued
    return bool(entry.waiters) and not entry.under_way and priority == entry.priority
