"""From a question to a cited answer: search, hand the documents out, let a generator write, check its citations.

A generator that fails costs the text, never the documents: the answer is then partial and says so.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

from contracts.api import AnswerResponse, Citation, SearchResponse
from contracts.errors import DeadlineExceeded, DependencyDown, DependencyFailed, InvalidInput, Overloaded
from contracts.trace import TraceContext
from gateway.core.citations import CheckedAnswer, check_citations
from gateway.core.clock import Clock
from gateway.core.prompt import NOT_ANSWERED, Passage, Prompt, build_prompt, passages_of
from gateway.core.query import SearchQuery
from gateway.flows.ports import Search
from runtime.breaker import CircuitBreaker
from runtime.telemetry import get_logger

_log = get_logger(__name__)

_BUDGET_TOKENS = 3000
_MAX_PASSAGES = 8
_GENERATE_S = 45.0
GENERATE = "generate"


class Generator(Protocol):
    """Writes an answer with `[n]` markers from numbered passages, or says `NOT_ANSWERED`."""

    @property
    def name(self) -> str:
        """Shown to callers."""
        ...

    def stream(self, prompt: Prompt, *, timeout_s: float, trace: TraceContext) -> AsyncGenerator[str, None]:
        """The answer in pieces.

        Raises:
            DependencyDown, DependencyFailed, Overloaded, DeadlineExceeded: it cannot go on.
        """
        ...


class Generators(Protocol):
    """Knows which generator is at hand."""

    async def choose(self) -> Generator:
        """The best one now; never fails."""
        ...


class AnswerMeter(Protocol):
    """Where the flow reports what it did, for metrics."""

    def citations_dropped(self, count: int) -> None:
        """Citations were left out because their quote is not in the source."""
        ...


@dataclass(frozen=True, slots=True)
class Retrieved:
    """First event: the documents that the answer will be drawn from."""

    found: SearchResponse
    generator: str


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of the answer as it is written; its citations are not checked yet."""

    text: str


@dataclass(frozen=True, slots=True)
class Cited:
    """The citations that held."""

    citations: list[Citation]
    dropped: int


@dataclass(frozen=True, slots=True)
class Done:
    """Last event: the whole answer."""

    response: AnswerResponse


AnswerEvent = Retrieved | Delta | Cited | Done


class AnswerFlow:
    """Answers questions from the documents.

    Args:
        count_tokens: near enough to the generator's own count for a budget.
        breaker: left closed it lets the generator be asked; open, answers are partial at once.
    """

    def __init__(
        self,
        search: Search,
        generators: Generators,
        *,
        count_tokens: Callable[[str], int],
        breaker: CircuitBreaker,
        meter: AnswerMeter,
        clock: Clock,
    ) -> None:
        self._search = search
        self._generators = generators
        self._count_tokens = count_tokens
        self._breaker = breaker
        self._meter = meter
        self._clock = clock

    async def answer(self, query: SearchQuery, trace: TraceContext) -> AsyncGenerator[AnswerEvent, None]:
        """Events in the order `Retrieved`, `Delta`..., `Cited`, `Done`.

        Raises:
            whatever the search raises, before the first event; afterwards nothing.
        """
        arrived_s = self._clock.monotonic_s()
        found = await self._search.search(query, trace=trace, arrived_s=arrived_s)
        searched_s = self._clock.monotonic_s()
        generator = await self._generators.choose()
        yield Retrieved(found, generator.name)

        passages = passages_of(found.hits)[:_MAX_PASSAGES]
        parts: list[str] = []
        first_s: float | None = None
        failed_stage: str | None = None
        try:
            async with aclosing(self._pieces(generator, query.words or "", passages, trace)) as pieces:
                async for text in pieces:
                    first_s = first_s or self._clock.monotonic_s()
                    parts.append(text)
                    yield Delta(text)
        except (DependencyDown, DependencyFailed, Overloaded, DeadlineExceeded, InvalidInput) as exc:
            # InvalidInput: the question is too long for the generator; the search may not have needed its words.
            _log.warning("generator_failed", generator=generator.name, trace_id=trace.trace_id, why=exc.message)
            failed_stage = GENERATE
        checked = check_citations("".join(parts), passages)
        if checked.dropped:
            self._meter.citations_dropped(checked.dropped)
        yield Cited(list(checked.citations), checked.dropped)

        ended_s = self._clock.monotonic_s()
        timings_ms = found.timings_ms | {
            "search": (searched_s - arrived_s) * 1000,
            "first_word": ((first_s or ended_s) - searched_s) * 1000,
            "generate": (ended_s - searched_s) * 1000,
            "total": (ended_s - arrived_s) * 1000,
        }
        yield Done(_response(found, generator.name, checked, failed_stage, timings_ms))

    async def _pieces(
        self, generator: Generator, question: str, passages: tuple[Passage, ...], trace: TraceContext
    ) -> AsyncGenerator[str, None]:
        """The generator's pieces within the deadline and under the breaker."""
        if not passages:
            yield NOT_ANSWERED
            return
        if not self._breaker.allow():
            raise DependencyDown("generator")
        prompt = build_prompt(question, passages, budget_tokens=_BUDGET_TOKENS, count=self._count_tokens)
        until_s = self._clock.monotonic_s() + _GENERATE_S
        async with aclosing(generator.stream(prompt, timeout_s=_GENERATE_S, trace=trace)) as pieces:
            try:
                while True:
                    # Around each step, not around the loop: a timeout must not strike while a caller has the turn.
                    async with asyncio.timeout(until_s - self._clock.monotonic_s()):
                        piece = await anext(pieces, None)
                    if piece is None:
                        break
                    yield piece
            except TimeoutError as exc:
                self._breaker.failed()
                raise DeadlineExceeded("The answer was not written in time.") from exc
            except (DependencyDown, DependencyFailed, DeadlineExceeded):
                self._breaker.failed()
                raise
        self._breaker.succeeded()


def _response(
    found: SearchResponse,
    generator: str,
    checked: CheckedAnswer,
    failed_stage: str | None,
    timings_ms: dict[str, float],
) -> AnswerResponse:
    return AnswerResponse(
        answer=checked.text,
        citations=list(checked.citations),
        documents=found.hits,
        generator=generator,
        # Without a citation that holds, the text is no answer from the documents.
        found=bool(checked.citations) and not checked.text.startswith(NOT_ANSWERED),
        degraded=failed_stage is not None or bool(found.degraded),
        failed_stage=failed_stage,
        citations_dropped=checked.dropped,
        coverage=found.coverage,
        variant=found.variant,
        trace_id=found.trace_id,
        timings_ms=timings_ms,
    )
