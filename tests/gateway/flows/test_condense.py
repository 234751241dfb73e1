"""Follow-up questions: in time, counted, left alone while it fails."""

import pytest

from contracts.errors import DependencyDown, Overloaded, PayloadTooLarge, TriremeError
from gateway.core.writing import Message
from gateway.flows.condense import Condenser, Standalone
from tests.gateway.fakes import TRACE
from tests.gateway.replying import CountingAnswerMeter, Replier, consultant
from tests.gateway.virtual_time import run, running_loop

TURNS = (Message("user", "How many strings has a violin?"), Message("assistant", "Four."))
QUESTION = "And a cello?"
WHOLE = "How many strings has a cello?"


def standalone(
    model: Replier, *, turns: tuple[Message, ...] = TURNS, question: str | None = QUESTION, times: int = 1
) -> tuple[Standalone, CountingAnswerMeter, float]:
    """The last of `times` results, what was counted, and the seconds that all took; in virtual time."""
    meter = CountingAnswerMeter()

    async def work() -> tuple[Standalone, CountingAnswerMeter, float]:
        clock = running_loop().clock()
        condenser = Condenser(
            consultant(model, clock, role="condense", within_s=4.0),
            count_tokens=lambda text: len(text.split()),
            meter=meter,
        )
        began_s = clock.monotonic_s()
        for _ in range(times):
            result = await condenser.standalone(question, turns, TRACE)
        return result, meter, clock.monotonic_s() - began_s

    return run(work())


def test_the_model_sees_the_conversation_and_its_reply_is_what_is_searched_for() -> None:
    model = Replier(WHOLE)
    result, meter, _ = standalone(model)
    assert (result, meter.follow_ups, meter.breakers) == (
        Standalone(WHOLE, 42),
        ["rewritten"],
        {"condense": "closed"},
    )
    (messages,) = model.asked
    assert all(turn.content in messages[-1].content for turn in TURNS)
    assert (model.sampled[0].temperature, model.sampled[0].max_tokens) == (0.0, 120)


def test_a_question_that_needs_nothing_is_counted_as_unchanged() -> None:
    result, meter, _ = standalone(Replier(QUESTION))
    assert (result.words, meter.follow_ups) == (QUESTION, ["unchanged"])


@pytest.mark.parametrize("reply", ["", "  ", "One line.\nAnother line.", "why " * 200])
def test_a_reply_that_is_no_question_is_counted_and_not_searched_for(reply: str) -> None:
    result, meter, _ = standalone(Replier(reply))
    assert (result, meter.follow_ups) == (Standalone(QUESTION, 42), ["unreadable"])


@pytest.mark.parametrize("failure", [DependencyDown("triton"), Overloaded("Full."), PayloadTooLarge("Too long.")])
def test_a_model_that_fails_leaves_the_question(failure: TriremeError) -> None:
    result, meter, _ = standalone(Replier(failure=failure))
    assert (result, meter.follow_ups) == (Standalone(QUESTION), ["failed"])


def test_a_model_that_hangs_is_given_up_at_its_deadline_and_closed() -> None:
    model = Replier(WHOLE, pause_s=3600)
    result, meter, took_s = standalone(model)
    assert (result.words, meter.follow_ups, model.closed) == (QUESTION, ["failed"], 1)
    assert took_s == pytest.approx(4.0)


def test_after_some_failures_the_model_is_left_alone() -> None:
    model = Replier(failure=DependencyDown("triton"))
    _, meter, _ = standalone(model, times=5)
    assert (len(model.asked), meter.breakers) == (2, {"condense": "open"})


@pytest.mark.parametrize(
    ("model", "turns", "question"),
    [
        (Replier(WHOLE), (), QUESTION),
        (Replier(WHOLE, loaded=False), TURNS, QUESTION),
        (Replier(WHOLE), TURNS, None),
    ],
)
def test_without_a_conversation_a_model_or_words_nobody_is_asked(
    model: Replier, turns: tuple[Message, ...], question: str | None
) -> None:
    result, meter, _ = standalone(model, turns=turns, question=question)
    assert (result, model.asked, meter.follow_ups) == (Standalone(question), [], [])
