"""The judge of passages: in time, counted, left alone while it fails."""

import pytest

from contracts.errors import DependencyDown, Overloaded, PayloadTooLarge, TriremeError
from gateway.core.judging import MOST_JUDGED
from gateway.flows.judge import Judge, Ordered
from tests.gateway.core.answering import passages
from tests.gateway.fakes import TRACE
from tests.gateway.replying import CountingAnswerMeter, Replier, consultant
from tests.gateway.virtual_time import run, running_loop

FOUND = passages("Pumps need oil.", "A violin has four strings.", "Bees dance.")


def order(model: Replier, n_passages: int = 3, times: int = 1) -> tuple[Ordered, CountingAnswerMeter, float]:
    """The last of `times` orders, what was counted, and the seconds that all took; in virtual time."""
    meter = CountingAnswerMeter()

    async def work() -> tuple[Ordered, CountingAnswerMeter, float]:
        clock = running_loop().clock()
        judge = Judge(consultant(model, clock), count_tokens=lambda text: len(text.split()), meter=meter)
        found = FOUND if n_passages == 3 else passages(*(f"text {n}" for n in range(n_passages)))
        began_s = clock.monotonic_s()
        for _ in range(times):
            ordered = await judge.order("How many strings?", found, TRACE)
        return ordered, meter, clock.monotonic_s() - began_s

    return run(work())


def test_the_judge_is_asked_once_for_all_passages_and_its_order_is_taken() -> None:
    model = Replier("[2] > [3] > [1]")
    ordered, meter, _ = order(model)
    assert [passage.n for passage in ordered.passages] == [2, 3, 1]
    assert (ordered.by_judge, ordered.tokens, meter.judgements) == (True, 42, ["whole"])
    (messages,) = model.asked
    assert all(passage.text in messages[-1].content for passage in FOUND)
    assert (model.sampled[0].temperature, meter.breakers) == (0.0, {"judge": "closed"})


@pytest.mark.parametrize("reply", ["The second one is best.", "[2] > [9]"])
def test_a_reply_that_is_no_order_leaves_the_passages_and_is_counted(reply: str) -> None:
    ordered, meter, _ = order(Replier(reply))
    assert (ordered.passages, ordered.by_judge, meter.judgements) == (FOUND, False, ["unreadable"])


@pytest.mark.parametrize("failure", [DependencyDown("triton"), Overloaded("Full."), PayloadTooLarge("Too long.")])
def test_a_judge_that_fails_leaves_the_passages_and_is_counted(failure: TriremeError) -> None:
    ordered, meter, _ = order(Replier(failure=failure))
    assert (ordered.passages, ordered.by_judge, meter.judgements) == (FOUND, False, ["failed"])


def test_a_judge_that_hangs_is_given_up_at_its_deadline_and_closed() -> None:
    model = Replier("[2]", pause_s=3600)
    ordered, meter, took_s = order(model)
    assert (ordered.passages, meter.judgements, model.closed) == (FOUND, ["failed"], 1)
    assert took_s == pytest.approx(8.0)


def test_after_some_failures_the_judge_is_left_alone() -> None:
    model = Replier(failure=DependencyDown("triton"))
    _, meter, _ = order(model, times=5)
    assert len(model.asked) == 2
    assert (meter.judgements, meter.breakers) == (["failed"] * 5, {"judge": "open"})


def test_one_passage_needs_no_judge() -> None:
    model = Replier("[1]")
    ordered, meter, _ = order(model, n_passages=1)
    assert (ordered.by_judge, model.asked, meter.judgements) == (False, [], [])


def test_passages_beyond_the_prompt_keep_their_places_behind() -> None:
    n = MOST_JUDGED + 3
    ordered, _, _ = order(Replier("[2]"), n_passages=n)
    assert [passage.n for passage in ordered.passages] == [2, 1, *range(3, n + 1)]
