"""Sits out a short outage where it happens, so that a restart of Triton costs a second and not a delay topic."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from contracts.errors import DependencyDown, DependencyFailed, Overloaded

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Patience:
    """Repeats a call that fails in passing, with growing waits, until `budget_s` after its first failure.

    Args:
        budget_s: 0 never repeats.
        first_wait_s: doubled after each failure, up to `longest_wait_s`.
        clock: monotonic seconds.
    """

    budget_s: float = 5.0
    first_wait_s: float = 0.2
    longest_wait_s: float = 1.0
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def __call__(self, call: Callable[[], Awaitable[T]]) -> T:
        """The call's result, or the error of its last try."""
        wait_s = self.first_wait_s
        first_failure: float | None = None
        while True:
            try:
                return await call()
            except (DependencyDown, DependencyFailed, Overloaded):
                now = self.clock()
                first_failure = now if first_failure is None else first_failure
                if now + wait_s - first_failure > self.budget_s:
                    raise
            await self.sleep(wait_s)
            wait_s = min(2 * wait_s, self.longest_wait_s)
