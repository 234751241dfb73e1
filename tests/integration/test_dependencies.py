"""The table of what still works when something is down (docs/ARCHITECTURE.md), processes frozen or killed."""

from __future__ import annotations

import signal
import time
import uuid
from collections.abc import Iterator

import pytest

from contracts.api import SearchResponse
from contracts.errors import DeadlineExceeded, DependencyDown, TriremeError
from contracts.search import Filter
from tests.integration.test_documents import add
from tests.running_stack import RunningStack, until

pytestmark = pytest.mark.integration

COLLECTION = "faults"
ONLY = Filter(collections=(COLLECTION,))
FACTS = [
    f"Page {n}: the {noun} of Osterkai was {verb} in {1800 + n}."
    for n, (noun, verb) in enumerate(
        [("harbour", "dug"), ("mill", "built"), ("bridge", "raised"), ("school", "opened"), ("tower", "struck")]
        * 4
    )
]
# One search may take this long beside its 200 ms: HTTP, JSON, and a machine that does other things.
PATIENCE_S = 2.0


@pytest.fixture(scope="module", autouse=True)
def documents(stack: RunningStack) -> list[str]:
    """Twenty small documents, spread over all shards."""
    return [add(stack, COLLECTION, f"fact-{n}.txt", fact.encode()) for n, fact in enumerate(FACTS)]


@pytest.fixture(autouse=True)
def all_is_well_before_and_after(stack: RunningStack) -> Iterator[None]:
    """No test inherits the trouble of the one before."""
    until(lambda: complete(stack), "searches are complete before the test", 30.0)
    yield
    until(lambda: complete(stack), "searches are complete after the test", 30.0)


def new_question() -> str:
    return f"the harbour of Osterkai {uuid.uuid4()}"


def search(stack: RunningStack, question: str, k: int = 50) -> SearchResponse:
    began = time.monotonic()
    response = stack.client.search(question, k=k, filter=ONLY)
    assert time.monotonic() - began < PATIENCE_S
    return response


def ask(stack: RunningStack, question: str) -> SearchResponse:
    """As many hits as are cached."""
    return search(stack, question, k=10)


def complete(stack: RunningStack) -> bool:
    """Whether a new question is answered by all shards."""
    try:
        return full(search(stack, new_question()))
    except TriremeError:
        return False


def known_question(stack: RunningStack) -> str:
    """A question whose full answer is in the cache."""
    question = new_question()
    until(lambda: full(ask(stack, question)) and ask(stack, question).served_by == "cache", "it is in the cache")
    return question


def full(response: SearchResponse) -> bool:
    return response.coverage.answered == response.coverage.of == 3


def test_without_redis_searches_are_complete_and_not_cached(stack: RunningStack) -> None:
    question = new_question()
    with stack.paused("redis"):
        responses = [search(stack, question) for _ in range(5)]
    assert all(full(response) and response.served_by == "index" for response in responses)
    assert {len(response.hits) for response in responses} == {len(FACTS)}


def test_with_one_shard_frozen_the_replica_answers_for_it(stack: RunningStack) -> None:
    with stack.paused("shard-1"):
        # Hedges are bounded to a share of all searches until the breaker of the shard opens.
        until(lambda: complete(stack), "the replica stands in for the shard", 20.0)
        until(
            lambda: all(complete(stack) for _ in range(10)),
            "every search is complete once the breaker is open",
            30.0,
        )


def test_with_a_shard_and_the_replica_frozen_the_answer_is_partial_and_says_so(stack: RunningStack) -> None:
    with stack.paused("shard-1", "replica"):
        response = search(stack, new_question())
    assert (response.coverage.answered, response.coverage.of) == (2, 3)
    assert "shards" in response.degraded
    assert 0 < len(response.hits) < len(FACTS)


def test_with_kafka_frozen_a_known_question_is_answered_and_a_new_one_gets_an_honest_error(
    stack: RunningStack,
) -> None:
    known = known_question(stack)
    with stack.paused("kafka"):
        cached = ask(stack, known)
        with pytest.raises((DependencyDown, DeadlineExceeded)):
            ask(stack, new_question())
        with pytest.raises(DependencyDown):
            stack.client.upload(b"This file must not be half taken in.", "half.txt", collection=COLLECTION)
    assert cached.served_by in {"cache", "stale_cache"}
    assert cached.hits
    half_taken = [view for view in stack.client.documents(limit=200).documents if view.source == "half.txt"]
    assert half_taken == []


def test_with_kafka_gone_a_known_question_is_answered_and_a_new_one_is_told_to_come_back(
    stack: RunningStack,
) -> None:
    known = known_question(stack)
    refusals: list[TriremeError] = []

    def refused() -> bool:
        try:
            ask(stack, new_question())
        except TriremeError as error:
            refusals.append(error)
        return any(isinstance(error, DependencyDown) for error in refusals)

    with stack.killed("kafka"):
        assert ask(stack, known).served_by in {"cache", "stale_cache"}
        until(refused, "a new question is refused with 503", 5.0)
    told = [error for error in refusals if isinstance(error, DependencyDown)]
    assert told[0].retry_after_s > 0
    until(lambda: complete(stack), "searches are complete again", 30.0)


def test_with_one_encoder_server_frozen_the_search_ends_in_time(stack: RunningStack) -> None:
    known = known_question(stack)
    with stack.paused("triton"):
        assert ask(stack, known).served_by == "cache"
        began = time.monotonic()
        with pytest.raises(TriremeError) as refusal:
            stack.client.search(new_question(), filter=ONLY)
        assert time.monotonic() - began < PATIENCE_S
    assert refusal.value.code in {"dependency_down", "deadline_exceeded"}


@pytest.mark.parametrize("name", ["redis", "shard-0", "replica", "gateway", "text-embedder"])
def test_a_killed_process_is_started_again_and_searches_are_complete(stack: RunningStack, name: str) -> None:
    before = stack.process(name).pid
    stack.kill(name)
    assert stack.process(name).pid != before
    until(stack.is_well, "the stack is well again")
    until(lambda: complete(stack), "searches are complete", 20.0)
    assert len(search(stack, new_question()).hits) == len(FACTS)


def test_the_restart_is_told(stack: RunningStack) -> None:
    stack.kill("joint-updater")
    assert "joint-updater died: signal SIGKILL" in stack.output
    assert signal.SIGKILL.name in stack.output
