"""What is written for a request comes through here: in time, traced, and not from a writer that keeps failing."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from contracts.errors import DeadlineExceeded, DependencyDown, DependencyFailed
from contracts.trace import TraceContext
from gateway.core.clock import Clock
from gateway.core.writing import Piece
from runtime.breaker import CircuitBreaker
from runtime.tracing import open_span


async def guarded(
    write: Callable[[TraceContext], AsyncGenerator[Piece, None]],
    *,
    writer: str,
    trace: TraceContext,
    breaker: CircuitBreaker,
    clock: Clock,
    within_s: float,
    step: str = "generate",
) -> AsyncGenerator[Piece, None]:
    """The pieces, all of them within a time from now, under the writers' breaker. Closing this closes them.

    They are a span of the trace, which ends with the last token and tells when the first came and how many came.

    Args:
        write: begins to write, within the trace that it is given.
        step: name of the span.

    Raises:
        DependencyDown: the breaker is open, or the writer cannot be reached.
        DeadlineExceeded: the time is over. DependencyFailed, Overloaded: the writer's own.
    """
    if not breaker.allow():
        raise DependencyDown(breaker.name)
    began_s = clock.monotonic_s()
    with open_span(step, trace, writer=writer) as hop:
        async with aclosing(write(hop.trace or trace)) as pieces:
            try:
                while True:
                    # Around each step, not around the loop: a timeout must not strike while a caller has the turn.
                    async with asyncio.timeout(began_s + within_s - clock.monotonic_s()):
                        piece = await anext(pieces, None)
                    if piece is None:
                        break
                    if piece.text or piece.token_ids:
                        hop.attributes.setdefault(
                            "first_token_ms", round((clock.monotonic_s() - began_s) * 1000, 3)
                        )
                    hop.attributes["tokens"] = piece.usage.completion_tokens
                    if piece.finish_reason:
                        hop.attributes["finish_reason"] = piece.finish_reason
                    yield piece
            except TimeoutError as exc:
                breaker.failed()
                raise DeadlineExceeded("The answer was not written in time.") from exc
            except (DependencyDown, DependencyFailed, DeadlineExceeded):
                breaker.failed()
                raise
    breaker.succeeded()
