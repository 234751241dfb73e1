"""From a question to a cited answer: search, hand the documents out, rank, let a generator write, check citations.

A generator that fails costs the text, never the documents: the answer is then partial and says so.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Protocol

from contracts.api import AnswerRerank, AnswerResponse, SearchResponse
from contracts.errors import (
    DeadlineExceeded,
    DependencyDown,
    DependencyFailed,
    InvalidInput,
    Overloaded,
    TriremeError,
)
from contracts.trace import TraceContext
from gateway.core.citations import CheckedAnswer, check_citations
from gateway.core.clock import Clock
from gateway.core.judging import MOST_JUDGED
from gateway.core.prompt import ALONE, NOT_ANSWERED, Dialogue, Passage, Prompt, build_prompt, passages_of
from gateway.core.query import SearchQuery
from gateway.core.writing import GREEDY, Piece, Sampling
from gateway.flows.answer_events import AnswerEvent, Cited, Delta, Done, Retrieved
from gateway.flows.condense import Condenser
from gateway.flows.judge import Judge, Ordered
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

    def breaker(self, name: str, state: str) -> None:
        """A breaker stands at "closed", "half_open" or "open"."""
        ...


class AnswerFlow:
    """Answers questions from the documents.

    Args:
        count_tokens: near enough to the generator's own count for a budget.
        breaker: left closed it lets the generator be asked; open, answers are partial at once.
        rerank: what orders the passages where a question does not say.
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
        condenser: Condenser,
        judge: Judge,
        rerank: AnswerRerank = "score",
    ) -> None:
        self._search = search
        self._generators = generators
        self._count_tokens = count_tokens
        self._breaker = breaker
        self._meter = meter
        self._clock = clock
        self._condenser = condenser
        self._judge = judge
        self._rerank = rerank

    async def answer(
        self,
        query: SearchQuery,
        trace: TraceContext,
        *,
        sampling: Sampling = GREEDY,
        dialogue: Dialogue = ALONE,
        rerank: AnswerRerank | None = None,
        k_is_given: bool = True,
    ) -> AsyncGenerator[AnswerEvent, None]:
        """Events in the order `Retrieved`, `Delta`..., `Cited`, `Done`.

        Args:
            dialogue: what was said before: the generator reads it, and the question is made whole with it before
                documents are searched for.
            rerank: what orders the passages; None leaves it to the gateway.
            k_is_given: False lets a judge choose from more documents than `query.k`.

        Raises:
            InvalidInput: a judge is asked for, and there is no language model.
            whatever the search raises. Both before the first event; afterwards nothing.
        """
        arrived_s = self._clock.monotonic_s()
        by_judge = await self._has_judge(rerank)
        standalone = await self._condenser.standalone(query.words, dialogue.turns, trace)
        asked, searched_for = query.words or "", standalone.words or ""
        # A search has its whole budget, however long it took to know what to search for.
        condensed_s = self._clock.monotonic_s()
        query = replace(query, words=standalone.words)
        found = await self._found(query, trace, condensed_s, wider=by_judge and not k_is_given)
        searched_s = self._clock.monotonic_s()
        generator = await self._generators.choose()
        yield Retrieved(found, generator.name, searched_for)

        ordered = Ordered(passages_of(found.hits), by_judge=False)
        if by_judge:
            ordered = await self._judge.order(searched_for, ordered.passages, trace)
        ranked_s = self._clock.monotonic_s()
        passages = ordered.passages[:_MAX_PASSAGES]
        parts: list[str] = []
        last = Piece("")
        first_s: float | None = None
        failure: TriremeError | None = None
        prompt = self._prompt(asked, passages, dialogue)
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
        self._meter.breaker(self._breaker.name, self._breaker.state)
        yield Cited(list(checked.citations), checked.dropped)

        ended_s = self._clock.monotonic_s()
        timings_ms = found.timings_ms | {
            "condense": (condensed_s - arrived_s) * 1000,
            "search": (searched_s - condensed_s) * 1000,
            "rerank": (ranked_s - searched_s) * 1000,
            "first_word": ((first_s or ended_s) - searched_s) * 1000,
            "generate": (ended_s - ranked_s) * 1000,
            "total": (ended_s - arrived_s) * 1000,
        }
        failed_stage = GENERATE if failure else None
        response = _response(found, searched_for, generator.name, ordered, checked, failed_stage, timings_ms)
        consulted = standalone.tokens + ordered.tokens
        yield Done(response, last.usage, last.finish_reason or "stop", checked.marks, failure, consulted)

    async def _has_judge(self, rerank: AnswerRerank | None) -> bool:
        """Whether a judge orders the passages. Raises InvalidInput: it was asked for, and there is none."""
        if (rerank or self._rerank) == "score":
            return False
        there_is_one = await self._judge.at_hand()
        if rerank is not None and not there_is_one:
            raise InvalidInput(
                "Passages can be judged by a language model only, and none is loaded; 'score' needs none.",
                param="rerank",
            )
        return there_is_one

    async def _found(
        self, query: SearchQuery, trace: TraceContext, arrived_s: float, *, wider: bool
    ) -> SearchResponse:
        if wider and query.k < MOST_JUDGED:
            try:
                return await self._search.search(replace(query, k=MOST_JUDGED), trace=trace, arrived_s=arrived_s)
            except DependencyDown:
                # Long lists are not kept; the short one may be in the cache.
                pass
        return await self._search.search(query, trace=trace, arrived_s=arrived_s)

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
    searched_for: str,
    generator: str,
    ordered: Ordered,
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
        reranked_by="judge" if ordered.by_judge else "score",
        searched_for=searched_for,
        served_by=found.served_by,
        cache_age_s=found.cache_age_s,
    )
