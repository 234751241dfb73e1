"""An event loop whose clock jumps to the next timer whenever nothing else is to be done: exact, and in no time."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

from gateway.core.clock import Clock

T = TypeVar("T")

# Any Unix time will do; this one is in November 2026.
UNIX_START_S = 1_795_000_000.0


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Timers fire in order, at once. A loop that would wait for ever fails instead."""

    def __init__(self) -> None:
        self._now_s = 0.0
        super().__init__(_JumpingSelector(self))
        self._clock_resolution = 1e-9

    def time(self) -> float:
        return self._now_s

    def advance(self, by_s: float) -> None:
        """Let time pass."""
        self._now_s += by_s

    def clock(self) -> Clock:
        """Both clocks of a gateway, running on this loop's time."""
        return Clock(self.time, lambda: UNIX_START_S + self._now_s)


class _JumpingSelector(selectors.DefaultSelector):
    def __init__(self, loop: VirtualTimeLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:
        events = super().select(0)
        if not events:
            if timeout is None:
                raise AssertionError("the loop waits for something that will never happen")
            self._loop.advance(timeout)
        return events


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in virtual time."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(work)


def running_loop() -> VirtualTimeLoop:
    """The loop of the current test."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    return loop
