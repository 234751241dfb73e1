"""Joins equal work under way at the same time: the first caller does it, the others wait for the result."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """Work under way by key. Use it from one event loop."""

    def __init__(self) -> None:
        self._flights: dict[str, asyncio.Task[T]] = {}

    async def do(self, key: str, work: Callable[[], Awaitable[T]]) -> T:
        """The result of `work`, or of equal work begun before and not yet done.

        A caller that goes away does not end the work while it may serve others.
        """
        flight = self._flights.get(key)
        if flight is None:
            flight = asyncio.ensure_future(_started(work))
            self._flights[key] = flight
            flight.add_done_callback(lambda done: self._land(key, done))
        return await asyncio.shield(flight)

    def _land(self, key: str, flight: "asyncio.Task[T]") -> None:
        self._flights.pop(key, None)
        if not flight.cancelled():
            flight.exception()  # seen here, should no caller have stayed to see it


async def _started(work: Callable[[], Awaitable[T]]) -> T:
    return await work()
