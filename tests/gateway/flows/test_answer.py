"""From a question to a cited answer."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

import pytest

from contracts.api import AnswerRerank, Coverage, SearchHit, SearchResponse
from contracts.errors import DependencyDown, InvalidInput, Overloaded, PayloadTooLarge, TriremeError
from contracts.trace import TraceContext
from gateway.core.prompt import ALONE, NOT_ANSWERED, Dialogue, Prompt
from gateway.core.query import SearchQuery
from gateway.core.writing import Message, Piece, Sampling, Usage
from gateway.flows.answer import AnswerFlow
from gateway.flows.answer_events import AnswerEvent, Cited, Delta, Done, Retrieved
from gateway.flows.condense import Condenser
from gateway.flows.judge import Judge
from runtime.breaker import CircuitBreaker
from tests.gateway.core.answering import hit
from tests.gateway.fakes import TRACE
from tests.gateway.replying import CountingAnswerMeter, Replier, consultant
from tests.gateway.virtual_time import run, running_loop

TURNS = (Message("user", "What is a violin?"), Message("assistant", "An instrument."))
HITS = [hit(1, "Pumps need oil every month."), hit(2, "A violin has four strings.")]


@dataclass
class FixedSearch:
    """Finds these hits, or fails for more than `keeps_k` of them."""

    hits: list[SearchHit] = field(default_factory=lambda: HITS)
    degraded: list[str] = field(default_factory=list)
    failure: TriremeError | None = None
    wanted_k: list[int] = field(default_factory=list)
    wanted: list[str | None] = field(default_factory=list)
    arrived_s: list[float | None] = field(default_factory=list)
    keeps_k: int = 0

    async def search(
        self, query: SearchQuery, *, trace: TraceContext, arrived_s: float | None = None
    ) -> SearchResponse:
        self.wanted_k.append(query.k)
        self.wanted.append(query.words)
        self.arrived_s.append(arrived_s)
        if self.failure and query.k > self.keeps_k:
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


def ask(
    writer: Writer,
    search: FixedSearch | None = None,
    times: int = 1,
    dialogue: Dialogue = ALONE,
    referee: Replier | None = None,
    rerank: AnswerRerank | None = None,
    by_default: AnswerRerank = "score",
    k_is_given: bool = True,
    condenses: Replier | None = None,
) -> list[AnswerEvent]:
    """Events of the last of `times` questions, in virtual time."""

    async def work() -> list[AnswerEvent]:
        clock = running_loop().clock()
        meter = CountingAnswerMeter()
        flow = AnswerFlow(
            search or FixedSearch(),
            writer,
            count_tokens=lambda text: len(text.split()),
            breaker=CircuitBreaker("generator", failures=2, reset_s=10.0, clock=clock.monotonic_s),
            meter=meter,
            clock=clock,
            condenser=Condenser(
                consultant(condenses or Replier(loaded=False), clock, role="condense"),
                count_tokens=lambda text: len(text.split()),
                meter=meter,
            ),
            judge=Judge(
                consultant(referee or Replier(loaded=False), clock),
                count_tokens=lambda text: len(text.split()),
                meter=meter,
            ),
            rerank=by_default,
        )
        events: list[AnswerEvent] = []
        for _ in range(times):
            query = SearchQuery(words="how many strings")
            answer = flow.answer(query, TRACE, dialogue=dialogue, rerank=rerank, k_is_given=k_is_given)
            events = [event async for event in answer]
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


def test_what_was_said_before_is_told_the_writer() -> None:
    writer = Writer(["A violin has four strings. [2]"])
    ask(writer, dialogue=Dialogue("Answer in French.", TURNS))
    (prompt,) = writer.prompts
    assert prompt.system.endswith("Answer in French.")
    assert (prompt.turns, prompt.question) == (TURNS, "how many strings")


def test_a_follow_up_is_searched_for_as_the_model_makes_it_whole_and_answered_as_it_was_asked() -> None:
    writer, search = Writer(["A violin has four strings. [2]"]), FixedSearch()
    referee = Replier("[2] > [1]")
    events = ask(
        writer,
        search,
        dialogue=Dialogue(turns=TURNS),
        condenses=Replier("How many strings has a violin?"),
        referee=referee,
        rerank="judge",
    )
    assert search.wanted == ["How many strings has a violin?"]
    assert isinstance(events[0], Retrieved)
    assert events[0].searched_for == done(events).response.searched_for == "How many strings has a violin?"
    assert writer.prompts[0].question == "how many strings"
    assert "Question: How many strings has a violin?" in referee.asked[0][-1].content
    assert done(events).consulted_tokens == 84


def test_a_search_has_its_whole_budget_after_the_question_was_made_whole() -> None:
    search = FixedSearch()
    events = ask(
        Writer(["x"]), search, dialogue=Dialogue(turns=TURNS), condenses=Replier("How many?", pause_s=3.0)
    )
    timings = done(events).response.timings_ms
    assert timings["condense"] == pytest.approx(3000)
    assert timings["search"] == pytest.approx(0)
    assert search.arrived_s == [pytest.approx(3.0)]


@pytest.mark.parametrize(
    "model", [Replier(loaded=False), Replier(failure=DependencyDown("triton")), Replier("x", pause_s=3600)]
)
def test_a_follow_up_that_nobody_makes_whole_is_searched_for_as_it_was_asked(model: Replier) -> None:
    search = FixedSearch()
    response = done(ask(Writer(["x"]), search, dialogue=Dialogue(turns=TURNS), condenses=model)).response
    assert (search.wanted, response.searched_for) == (["how many strings"], "how many strings")
    assert response.degraded is False


def test_a_question_without_a_conversation_is_not_put_to_the_model() -> None:
    model, search = Replier("Something else?"), FixedSearch()
    ask(Writer(["x"]), search, condenses=model)
    assert (model.asked, search.wanted) == ([], ["how many strings"])


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


def test_by_default_the_writer_reads_in_the_order_of_the_scores_and_no_judge_is_asked() -> None:
    writer, referee = Writer(["A violin has four strings. [2]"]), Replier("[2] > [1]")
    response = done(ask(writer, referee=referee)).response
    assert [passage.n for passage in writer.prompts[0].passages] == [1, 2]
    assert (referee.asked, response.reranked_by) == ([], "score")


def test_a_judge_moves_passages_in_the_prompt_and_no_document() -> None:
    writer = Writer(["A violin has four strings. [2]"])
    events = ask(writer, referee=Replier("[2] > [1]"), rerank="judge")
    assert [type(event) for event in events] == [Retrieved, Delta, Cited, Done]
    assert [passage.n for passage in writer.prompts[0].passages] == [2, 1]
    whole = done(events)
    assert (whole.response.documents, whole.response.reranked_by) == (HITS, "judge")
    assert [citation.n for citation in whole.response.citations] == [2]
    assert (whole.usage, whole.consulted_tokens) == (Usage(7, 1), 42)
    assert whole.response.timings_ms["rerank"] == pytest.approx(100)
    assert whole.response.timings_ms["generate"] == pytest.approx(100)


def test_a_judge_brings_what_the_scores_had_put_behind_the_last_passage_that_is_read() -> None:
    many = [hit(rank, f"Passage number {rank} speaks of pumps.") for rank in range(1, 25)]
    writer = Writer(["Passage number 24 speaks of pumps. [24]"])
    response = done(ask(writer, FixedSearch(hits=many), referee=Replier("[24]"), rerank="judge")).response
    assert [passage.n for passage in writer.prompts[0].passages] == [24, *range(1, 8)]
    assert [citation.doc_id for citation in response.citations] == ["doc-24"]


@pytest.mark.parametrize(("k_is_given", "wanted"), [(True, [10]), (False, [24])])
def test_a_judge_chooses_from_more_documents_unless_the_question_says_how_many(
    k_is_given: bool, wanted: list[int]
) -> None:
    search = FixedSearch()
    ask(Writer(["x"]), search, referee=Replier("[2]"), rerank="judge", k_is_given=k_is_given)
    assert search.wanted_k == wanted


def test_a_short_list_that_is_kept_will_do_for_a_judge_while_the_index_is_away() -> None:
    search = FixedSearch(failure=DependencyDown("kafka"), keeps_k=10)
    events = ask(Writer(["x"]), search, referee=Replier("[2]"), rerank="judge", k_is_given=False)
    assert done(events).response.documents == HITS


def test_asking_for_a_judge_without_a_language_model_is_refused_before_the_search() -> None:
    search = FixedSearch()
    with pytest.raises(InvalidInput, match="language model") as refused:
        ask(Writer(["x"]), search, rerank="judge")
    assert (refused.value.param, search.wanted_k) == ("rerank", [])


@pytest.mark.parametrize("loaded", [True, False])
def test_a_gateway_set_to_judge_does_so_while_there_is_a_language_model(loaded: bool) -> None:
    referee = Replier("[2] > [1]", loaded=loaded)
    response = done(ask(Writer(["x"]), referee=referee, by_default="judge")).response
    assert response.reranked_by == ("judge" if loaded else "score")
    asked_for_score = done(ask(Writer(["x"]), referee=referee, by_default="judge", rerank="score")).response
    assert asked_for_score.reranked_by == "score"


def test_where_the_judge_fails_the_answer_is_written_in_the_order_of_the_scores() -> None:
    writer = Writer(["A violin has four strings. [2]"])
    referee = Replier(failure=DependencyDown("triton"))
    response = done(ask(writer, referee=referee, rerank="judge")).response
    assert (response.reranked_by, response.degraded, response.found) == ("score", False, True)
    assert [passage.n for passage in writer.prompts[0].passages] == [1, 2]
