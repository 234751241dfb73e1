"""From a question to a cited answer."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

import pytest

from contracts.api import Coverage, SearchHit, SearchResponse
from contracts.errors import DependencyDown, Overloaded, PayloadTooLarge, TriremeError
from contracts.trace import TraceContext
from gateway.core.prompt import ALONE, NOT_ANSWERED, Dialogue, Prompt
from gateway.core.query import SearchQuery
from gateway.core.writing import Message, Piece, Sampling, Usage
from gateway.flows.answer import AnswerEvent, AnswerFlow, Cited, Delta, Done, Retrieved
from runtime.breaker import CircuitBreaker
from tests.gateway.core.answering import hit
from tests.gateway.fakes import TRACE
from tests.gateway.virtual_time import run, running_loop

HITS = [hit(1, "Pumps need oil every month."), hit(2, "A violin has four strings.")]


@dataclass
class FixedSearch:
    """Finds these hits, or fails."""

    hits: list[SearchHit] = field(default_factory=lambda: HITS)
    degraded: list[str] = field(default_factory=list)
    failure: TriremeError | None = None

    async def search(
        self, query: SearchQuery, *, trace: TraceContext, arrived_s: float | None = None
    ) -> SearchResponse:
        if self.failure:
            raise self.failure
        return SearchResponse(
            hits=self.hits,
            coverage=Coverage(3, 3),
            served_by="index",
            variant="full",
            generation="g",
            trace_id=trace.trace_id,
            timings_ms={"encode": 5.0, "total": 9.0},
            degraded=self.degraded,
        )


@dataclass
class Writer:
    """Writes these pieces, `pause_s` apart, and then fails if it was told to."""

    pieces: list[str]
    failure: TriremeError | None = None
    pause_s: float = 0.1
    name: str = "writer"
    prompts: list[Prompt] = field(default_factory=list)
    closed: bool = False

    async def stream(
        self, prompt: Prompt, sampling: Sampling, *, timeout_s: float, trace: TraceContext
    ) -> AsyncGenerator[Piece, None]:
        self.prompts.append(prompt)
        try:
            for n, piece in enumerate(self.pieces, start=1):
                await asyncio.sleep(self.pause_s)
                yield Piece(piece, Usage(7, n), finish_reason="length" if n == len(self.pieces) else None)
            if self.failure:
                raise self.failure
        finally:
            self.closed = True

    async def choose(self) -> "Writer":
        return self


@dataclass
class DropCounter:
    dropped: int = 0

    def citations_dropped(self, count: int) -> None:
        self.dropped += count


def ask(
    writer: Writer, search: FixedSearch | None = None, times: int = 1, dialogue: Dialogue = ALONE
) -> list[AnswerEvent]:
    """Events of the last of `times` questions, in virtual time."""

    async def work() -> list[AnswerEvent]:
        clock = running_loop().clock()
        flow = AnswerFlow(
            search or FixedSearch(),
            writer,
            count_tokens=lambda text: len(text.split()),
            breaker=CircuitBreaker("generator", failures=2, reset_s=10.0, clock=clock.monotonic_s),
            meter=DropCounter(),
            clock=clock,
        )
        events: list[AnswerEvent] = []
        for _ in range(times):
            query = SearchQuery(words="how many strings")
            events = [event async for event in flow.answer(query, TRACE, dialogue=dialogue)]
        return events

    return run(work())


def done(events: list[AnswerEvent]) -> Done:
    assert isinstance(events[-1], Done)
    return events[-1]


def test_documents_come_first_then_text_then_citations_then_the_whole() -> None:
    events = ask(Writer(["A violin has ", "four strings. [2]"]))
    assert [type(event) for event in events] == [Retrieved, Delta, Delta, Cited, Done]
    response = done(events).response
    assert response.answer == "A violin has four strings. [2]"
    assert [(citation.n, citation.quote) for citation in response.citations] == [(2, "A violin has four strings.")]
    assert (response.found, response.degraded, response.generator) == (True, False, "writer")
    assert response.documents == HITS


def test_the_whole_tells_tokens_why_it_ended_and_where_citations_stand_in_what_was_written() -> None:
    events = ask(Writer(["Not so. [1] ", "A violin has ", "four strings. [2]"]))
    whole = done(events)
    assert (whole.usage, whole.finish_reason, whole.failure) == (Usage(7, 3), "length", None)
    written = "".join(event.text for event in events if isinstance(event, Delta))
    (mark,) = whole.marks
    assert written[slice(*mark.written)] == whole.response.answer[slice(*mark.kept)] == "[2]"
    assert mark.written != mark.kept


def test_what_was_said_before_is_told_the_writer_and_not_searched_with() -> None:
    writer = Writer(["A violin has four strings. [2]"])
    turns = (Message("user", "Bees?"), Message("assistant", "They dance."))
    ask(writer, dialogue=Dialogue("Answer in French.", turns))
    (prompt,) = writer.prompts
    assert prompt.system.endswith("Answer in French.")
    assert (prompt.turns, prompt.question) == (turns, "how many strings")


def test_timings_tell_search_first_word_and_writing_apart() -> None:
    timings = done(ask(Writer(["A violin has ", "four strings. [2]"]))).response.timings_ms
    assert timings["encode"] == 5.0
    assert timings["first_word"] == pytest.approx(100)
    assert timings["generate"] == pytest.approx(200)


def test_a_citation_that_does_not_hold_is_not_shown() -> None:
    response = done(ask(Writer(['Indeed: "a violin has five strings" [2]']))).response
    assert response.citations == []
    assert response.citations_dropped == 1
    assert response.found is False


def test_saying_that_nothing_answers_is_not_an_answer() -> None:
    response = done(ask(Writer([NOT_ANSWERED]))).response
    assert (response.answer, response.found, response.degraded) == (NOT_ANSWERED, False, False)


@pytest.mark.parametrize("pieces", [[], ["A violin has four strings. [2]"]])
def test_a_writer_that_fails_leaves_a_partial_answer_with_the_documents(pieces: list[str]) -> None:
    response = done(ask(Writer(pieces, failure=DependencyDown("triton")))).response
    assert (response.degraded, response.failed_stage) == (True, "generate")
    assert response.documents == HITS
    assert response.answer == "".join(pieces)
    assert isinstance(done(ask(Writer(pieces, failure=DependencyDown("triton")))).failure, DependencyDown)


def test_a_question_that_is_too_long_for_the_writer_costs_the_text_and_not_the_documents() -> None:
    writer = Writer([], failure=PayloadTooLarge("The text has 900 tokens; the text encoder reads at most 512."))
    response = done(ask(writer, times=4)).response
    assert (response.failed_stage, response.documents) == ("generate", HITS)
    assert len(writer.prompts) == 4


def test_a_writer_that_hangs_is_given_up_and_closed() -> None:
    writer = Writer(["never"], pause_s=3600)
    response = done(ask(writer)).response
    assert response.failed_stage == "generate"
    assert response.timings_ms["total"] < 60_000
    assert writer.closed


def test_after_some_failures_the_writer_is_left_alone() -> None:
    writer = Writer([], failure=DependencyDown("triton"))
    response = done(ask(writer, times=4)).response
    assert len(writer.prompts) == 2
    assert (response.failed_stage, response.documents) == ("generate", HITS)


def test_a_writer_with_too_much_to_do_is_not_broken() -> None:
    writer = Writer([], failure=Overloaded("Too many requests are waiting."))
    assert done(ask(writer, times=4)).response.failed_stage == "generate"
    assert len(writer.prompts) == 4


def test_without_any_text_the_writer_is_not_asked() -> None:
    writer = Writer(["anything"])
    response = done(ask(writer, FixedSearch(hits=[hit(1, " ")]))).response
    assert writer.prompts == []
    assert (response.answer, response.found) == (NOT_ANSWERED, False)


def test_a_search_without_one_half_makes_a_degraded_answer_whose_writing_went_well() -> None:
    response = done(ask(Writer(["A violin has four strings. [2]"]), FixedSearch(degraded=["clip_text"]))).response
    assert (response.degraded, response.failed_stage, response.found) == (True, None, True)


def test_a_failing_search_is_an_error_before_anything_is_sent() -> None:
    with pytest.raises(DependencyDown):
        ask(Writer(["x"]), FixedSearch(failure=DependencyDown("kafka")))
