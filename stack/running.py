"""Runs an embedded stack from start to end inside one event loop: what `trireme up` and `trireme demo` share."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any

from stack.embedded import EmbeddedStack
from stack.events import EventSink
from stack.options import StackOptions

WhileUp = Callable[[EmbeddedStack, asyncio.Event], Awaitable[None]]


async def run_stack(options: StackOptions, on_event: EventSink, while_up: WhileUp) -> None:
    """Start a stack, call `while_up` when it is ready, and stop every process of it whatever happens.

    SIGINT, SIGTERM and SIGHUP set the event that `while_up` gets instead of interrupting anything: a start is
    broken off, a stop goes on to its end.
    """
    stack = EmbeddedStack(options, on_event)
    async with _stop_on_signals() as stop:
        try:
            if await unless_stopped(stack.start(), stop):
                await while_up(stack, stop)
        finally:
            await stack.stop()


async def unless_stopped(work: Coroutine[Any, Any, None], stop: asyncio.Event) -> bool:
    """Do `work` to its end (true) or cancel it as soon as `stop` is set (false)."""
    working, stopped = asyncio.create_task(work), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({working, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            working.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await working
            return False
        await working
        return True
    finally:
        stopped.cancel()


@contextlib.asynccontextmanager
async def _stop_on_signals() -> AsyncIterator[asyncio.Event]:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in numbers:
        loop.add_signal_handler(number, stop.set)
    try:
        yield stop
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
