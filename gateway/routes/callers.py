"""Callers who may leave while something is written for them, and streams that have to begin well."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from typing import Any, Generic, TypeVar

from fastapi import Request, Response
from sse_starlette import EventSourceResponse, ServerSentEvent
from sse_starlette.sse import SendTimeoutError
from starlette.types import Receive, Scope, Send

from runtime.telemetry import get_logger

_PING_S = 10
_log = get_logger(__name__)

T = TypeVar("T")


class Left(Exception):
    """The caller has gone; nobody reads what is answered."""


def nobody_reads() -> Response:
    """The response to a caller who left: 499, as nginx logs it."""
    return Response(status_code=499)


async def while_there(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """What `work` gives; it is cancelled when the caller leaves. The request's body must have been read.

    Raises:
        Left: the caller left first.
    """
    working, leaving = asyncio.create_task(work), asyncio.create_task(_left(request))
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise Left
        return working.result()
    finally:
        for task in (working, leaving):
            task.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


class Ahead(Generic[T]):
    """Items of a stream, the first of which are fetched before any is wanted."""

    def __init__(self, items: AsyncGenerator[T, None]) -> None:
        self._items = items
        self._ready: list[T] = []
        self._next: asyncio.Task[T | None] | None = None

    async def fetch(self, count: int, within_s: float | None = None) -> None:
        """Fetch the first `count` items, or those that come in time. Raises what fetching them raises."""
        loop = asyncio.get_running_loop()
        until_s = None if within_s is None else loop.time() + within_s
        while len(self._ready) < count:
            self._next = self._next or asyncio.create_task(self._one())
            left_s = None if until_s is None else max(0.0, until_s - loop.time())
            await asyncio.wait((self._next,), timeout=left_s)
            if not self._next.done():
                return
            fetched, self._next = self._next.result(), None
            if fetched is None:
                return
            self._ready.append(fetched)

    async def all(self) -> AsyncIterator[T]:
        """All items, from the first one on."""
        for item in self._ready:
            yield item
        if self._next is not None and (fetched := await self._next) is not None:
            yield fetched
        async for item in self._items:
            yield item

    async def close(self) -> None:
        """No more items are wanted."""
        if self._next is not None:
            self._next.cancel()
            await asyncio.gather(self._next, return_exceptions=True)
        await self._items.aclose()

    async def _one(self) -> T | None:
        return await anext(self._items, None)


class EventStream(EventSourceResponse):
    """Server-sent events made of a stream's items, heartbeats between them.

    Args:
        source: closed at the end, also when the caller leaves before anything was sent.
        sep: what ends a line.
        send_timeout_s: a caller who takes nothing for so long is left.
    """

    def __init__(
        self,
        events: AsyncIterator[ServerSentEvent | str],
        source: Ahead[Any],
        *,
        sep: str | None = None,
        send_timeout_s: float | None = None,
    ) -> None:
        super().__init__(events, ping=_PING_S, sep=sep, send_timeout=send_timeout_s)
        self._source = source

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        except SendTimeoutError:
            # The server closes the connection of an answer that does not end.
            _log.info("slow_reader_left", path=scope["path"])
        finally:
            await self._source.close()


async def begun(
    request: Request, items: AsyncGenerator[T, None], count: int, within_s: float | None = None
) -> Ahead[T]:
    """A stream with its first items fetched, as `Ahead.fetch` does it; closed when that fails.

    Raises:
        Left: the caller left meanwhile. Also what fetching raises.
    """
    ahead = Ahead(items)
    try:
        await while_there(request, ahead.fetch(count, within_s))
    except BaseException:
        await ahead.close()
        raise
    return ahead
