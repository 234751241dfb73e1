"""From a question to a cited answer: search, hand the documents out, let a generator write, check its citations.

A generator that fails costs the text, never the documents: the answer is then partial and says so.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

from contracts.api import AnswerResponse, Citation, SearchResponse
from contracts.errors import (
    DeadlineExceeded,
    DependencyDown,
    DependencyFailed,
    InvalidInput,
    Overloaded,
    TriremeError,
)
from contracts.trace import TraceContext
from gateway.core.citations import CheckedAnswer, Mark, check_citations
from gateway.core.clock import Clock
from gateway.core.prompt import ALONE, NOT_ANSWERED, Dialogue, Passage, Prompt, build_prompt, passages_of
from gateway.core.query import SearchQuery
from gateway.core.writing import GREEDY, FinishReason, Piece, Sampling, Usage
from gateway.flows.ports import Search
from gateway.flows.writing import guarded
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

    def stream(
        self, prompt: Prompt, sampling: Sampling, *, timeout_s: float, trace: TraceContext
    ) -> AsyncGenerator[Piece, None]:
        """The answer in pieces.

        Raises:
            InvalidInput: the prompt is longer than it reads.
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
    """Last event: the whole answer.

    Args:
        marks: the places of the markers that held.
        failure: why the generator broke off, None when it did not.
    """

    response: AnswerResponse
    usage: Usage
    finish_reason: FinishReason
    marks: tuple[Mark, ...]
    failure: TriremeError | None


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

    async def answer(
        self,
        query: SearchQuery,
        trace: TraceContext,
        *,
        sampling: Sampling = GREEDY,
        dialogue: Dialogue = ALONE,
    ) -> AsyncGenerator[AnswerEvent, None]:
        """Events in the order `Retrieved`, `Delta`..., `Cited`, `Done`.

        Args:
            dialogue: what was said before, for the generator; it is not searched with.

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
        last = Piece("")
        first_s: float | None = None
        failure: TriremeError | None = None
        prompt = self._prompt(query.words or "", passages, dialogue)
        try:
            async with aclosing(self._pieces(generator, prompt, sampling, trace)) as pieces:
                async for piece in pieces:
                    last = piece
                    if not piece.text:
                        continue
                    first_s = first_s or self._clock.monotonic_s()
                    parts.append(piece.text)
                    yield Delta(piece.text)
        except (DependencyDown, DependencyFailed, Overloaded, DeadlineExceeded, InvalidInput) as exc:
            # InvalidInput: the question is too long for the generator; the search may not have needed its words.
            _log.warning("generator_failed", generator=generator.name, trace_id=trace.trace_id, why=exc.message)
            failure = exc
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
        response = _response(found, generator.name, checked, GENERATE if failure else None, timings_ms)
        yield Done(response, last.usage, last.finish_reason or "stop", checked.marks, failure)

    def _prompt(self, question: str, passages: tuple[Passage, ...], dialogue: Dialogue) -> Prompt:
        return build_prompt(
            question, passages, budget_tokens=_BUDGET_TOKENS, count=self._count_tokens, dialogue=dialogue
        )

    def _pieces(
        self, generator: Generator, prompt: Prompt, sampling: Sampling, trace: TraceContext
    ) -> AsyncGenerator[Piece, None]:
        if not prompt.passages:
            return _not_answered()
        return guarded(
            lambda hop: generator.stream(prompt, sampling, timeout_s=_GENERATE_S, trace=hop),
            writer=generator.name,
            trace=trace,
            breaker=self._breaker,
            clock=self._clock,
            within_s=_GENERATE_S,
        )


async def _not_answered() -> AsyncGenerator[Piece, None]:
    yield Piece(NOT_ANSWERED, finish_reason="stop")


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
