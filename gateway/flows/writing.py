"""What is written for a request comes through here: in time, and not from a writer that keeps failing."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from contracts.errors import DeadlineExceeded, DependencyDown, DependencyFailed
from gateway.core.clock import Clock
from gateway.core.writing import Piece
from runtime.breaker import CircuitBreaker


async def guarded(
    pieces: AsyncGenerator[Piece, None], *, breaker: CircuitBreaker, clock: Clock, within_s: float
) -> AsyncGenerator[Piece, None]:
    """The pieces, all of them within a time from now, under the writers' breaker. Closing this closes them.

    Raises:
        DependencyDown: the breaker is open, or the writer cannot be reached.
        DeadlineExceeded: the time is over. DependencyFailed, Overloaded: the writer's own.
    """
    if not breaker.allow():
        raise DependencyDown("generator")
    until_s = clock.monotonic_s() + within_s
    async with aclosing(pieces):
        try:
            while True:
                # Around each step, not around the loop: a timeout must not strike while a caller has the turn.
                async with asyncio.timeout(until_s - clock.monotonic_s()):
                    piece = await anext(pieces, None)
                if piece is None:
                    break
                yield piece
        except TimeoutError as exc:
            breaker.failed()
            raise DeadlineExceeded("The answer was not written in time.") from exc
        except (DependencyDown, DependencyFailed, DeadlineExceeded):
            breaker.failed()
            raise
    breaker.succeeded()
