"""The language model served by a real Triton."""

import asyncio
from contextlib import AsyncExitStack, aclosing
from itertools import pairwise
from typing import Any

import psutil
import pytest

from contracts.errors import DependencyFailed, Overloaded
from stack.servers.triton import shared_memory_prefix
from tests.deploy.genai.conftest import ENDLESS, RESPONSE_TIMEOUT_S, SLOTS, WAITING, Llama, LlamaServer

pytestmark = pytest.mark.integration

QUESTION = [{"role": "user", "content": "How many strings has a violin?"}]


async def test_greedy_answers_are_transformers_token_by_token(llama: Llama, llama_server: LlamaServer) -> None:
    for reference in llama_server.references:
        asked = {"messages": reference.messages, "max_tokens": len(reference.answer)}
        assert (await llama.whole(**asked))[0] == reference.answer
        ids = {"input_ids": reference.prompt, "max_tokens": len(reference.answer)}
        assert (await llama.whole(**ids))[0] == reference.answer


async def test_the_served_chat_template_gives_the_checkpoints_tokens(
    llama: Llama, llama_server: LlamaServer
) -> None:
    for reference in llama_server.references:
        (only,) = [each async for each in llama.stream(messages=reference.messages, max_tokens=1)]
        assert int(only["prompt_tokens"][0]) == len(reference.prompt)


async def test_an_answer_comes_one_token_a_response_and_says_why_it_ended(llama: Llama) -> None:
    responses = [each async for each in llama.stream(messages=QUESTION, max_tokens=12)]
    assert [int(each["completion_tokens"][0]) for each in responses] == list(range(1, 13))
    assert [bytes(each["finish_reason"][0]) for each in responses] == [b""] * 11 + [b"length"]


async def test_an_answer_ends_before_its_stop_text(llama: Llama) -> None:
    _, text, _ = await llama.whole(messages=QUESTION, max_tokens=40)
    stop = text[len(text) // 2 :][:3]
    _, cut, reason = await llama.whole(messages=QUESTION, max_tokens=40, stop=["not in it", stop])
    assert (cut, reason) == (text[: text.index(stop)], "stop")


async def test_a_seed_repeats_a_sampled_answer_whatever_runs_beside_it(llama: Llama) -> None:
    sampled: dict[str, Any] = {"messages": QUESTION, "max_tokens": 30, "temperature": 1.5, "min_tokens": 30}
    alone = await llama.whole(**sampled, seed=7)
    again, other, *_ = await asyncio.gather(
        llama.whole(**sampled, seed=7), llama.whole(**sampled, seed=8), *(llama.whole(**sampled) for _ in range(2))
    )
    assert again == alone
    assert other != alone


async def test_sixteen_streams_all_finish_and_none_starves(llama: Llama) -> None:
    log: list[int] = []

    async def read(number: int) -> list[int]:
        ids: list[int] = []
        async for response in llama.stream(messages=QUESTION, max_tokens=120):
            ids += response["token_ids"].tolist()
            log.append(number)
        return ids

    answers = await asyncio.gather(*(read(number) for number in range(16)))
    assert [len(ids) for ids in answers] == [120] * 16
    # Company changes nothing about an answer.
    assert all(ids == answers[0] for ids in answers)
    places = {number: [place for place, who in enumerate(log) if who == number] for number in range(16)}
    for own in places.values():
        # Exact turns are the scheduler's own test; here streams overtake each other on their way through gRPC.
        assert max(after - before for before, after in pairwise(own)) < len(log) / 4
    # First come, first to end: as answers of one length start, so they finish, up to those that ran side by side.
    started = sorted(places, key=lambda number: places[number][0])
    finished = sorted(places, key=lambda number: places[number][-1])
    assert all(abs(started.index(number) - finished.index(number)) <= SLOTS for number in places)


async def test_a_reader_who_leaves_frees_the_slot_for_one_that_waits(llama: Llama) -> None:
    async with AsyncExitStack() as left_open:
        holders = [
            await left_open.enter_async_context(aclosing(llama.stream(messages=QUESTION, max_tokens=ENDLESS)))
            for _ in range(SLOTS)
        ]
        await asyncio.gather(*(read_some(holder, 5) for holder in holders))
        waiting = asyncio.create_task(llama.whole(messages=QUESTION, max_tokens=5))
        await asyncio.gather(*(read_some(holder, 100) for holder in holders))
        assert not waiting.done()
        await holders[0].aclose()
        async with asyncio.timeout(RESPONSE_TIMEOUT_S):
            assert len((await waiting)[0]) == 5
        # The others still write: it was the freed slot, and not one that had come to its end.
        last = await asyncio.gather(*(read_some(holder, 1) for holder in holders[1:]))
        assert all(bytes(response["finish_reason"][0]) == b"" for response in last)


async def read_some(responses: Any, count: int) -> Any:
    """Read responses; returns the last one."""
    for _ in range(count):
        response = await anext(responses)
    return response


async def test_what_no_slot_and_no_place_in_the_queue_is_left_for_is_refused_at_once(llama: Llama) -> None:
    too_many = 3

    async def first_word(responses: Any) -> str:
        try:
            await anext(responses)
        except Overloaded:
            return "refused"
        return "begun"

    async with AsyncExitStack() as left_open:
        # Once these have begun, all that earlier tests have left is gone: slots are given in the order of arrival.
        for _ in range(SLOTS):
            holder = llama.stream(messages=QUESTION, max_tokens=ENDLESS)
            await left_open.enter_async_context(aclosing(holder))
            await anext(holder)
        tasks = []
        for _ in range(WAITING + too_many):
            responses = llama.stream(messages=QUESTION, max_tokens=ENDLESS)
            tasks.append(asyncio.create_task(first_word(responses)))
            left_open.push_async_callback(ended, tasks[-1], responses)
        async with asyncio.timeout(RESPONSE_TIMEOUT_S):
            while sum(task.done() for task in tasks) < too_many:
                await asyncio.wait([task for task in tasks if not task.done()], return_when="FIRST_COMPLETED")
        # Another word of a holder has come the whole way: whoever was to be refused would be by now.
        await read_some(holder, 20)
        outcomes = [task.result() for task in tasks if task.done()]
    assert outcomes == ["refused"] * too_many
    async with asyncio.timeout(RESPONSE_TIMEOUT_S):
        assert await first_words(llama) == 3


async def first_words(llama: Llama) -> int:
    """Tokens of a short answer, asked for again while those who have left are still being counted out."""
    while True:
        try:
            return len((await llama.whole(messages=QUESTION, max_tokens=3))[0])
        except Overloaded:
            await asyncio.sleep(0.01)


async def ended(task: asyncio.Task[str], responses: Any) -> None:
    """Leave a stream, whether or not it has begun."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await responses.aclose()


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"messages": QUESTION, "prompt": "both"},
        {"messages": QUESTION, "temperature": 9.0},
        {"input_ids": [1_000_000]},
        {"input_ids": [5] * 17_000},
    ],
)
async def test_a_request_that_cannot_be_fails_alone(llama: Llama, asked: dict[str, Any]) -> None:
    with pytest.raises(DependencyFailed):
        await llama.whole(**asked)
    assert len((await llama.whole(messages=QUESTION, max_tokens=3))[0]) == 3


async def test_the_server_is_known_to_be_well_while_all_slots_are_taken(
    llama: Llama, llama_server: LlamaServer
) -> None:
    assert llama_server.spec.ready is not None
    async with AsyncExitStack() as left_open:
        for _ in range(SLOTS):
            holder = llama.stream(messages=QUESTION, max_tokens=ENDLESS)
            await left_open.enter_async_context(aclosing(holder))
            await anext(holder)
        assert await llama_server.spec.ready()
        assert bytes((await anext(holder))["finish_reason"][0]) == b""


async def test_a_killed_model_process_is_seen_and_comes_back(llama: Llama, llama_server: LlamaServer) -> None:
    assert llama_server.spec.ready is not None
    # Answers to their end, one a slot: nobody is being written to. A process killed while it sends may hold
    # a lock in the server's shared memory; Triton ends itself then, and the supervisor starts both.
    await asyncio.gather(*(llama.whole(messages=QUESTION, max_tokens=3) for _ in range(SLOTS)))
    # Other servers of this run have such processes too.
    mark = shared_memory_prefix(llama_server.ports)
    (stub,) = (
        each
        for each in psutil.Process().children(recursive=True)
        if "python_backend_stub" in each.name() and any(part.startswith(mark) for part in each.cmdline())
    )
    stub.kill()
    assert not await llama_server.spec.ready()
    async with asyncio.timeout(RESPONSE_TIMEOUT_S):
        while not await llama_server.spec.ready():  # noqa: ASYNC110 - what is waited for is another process
            await asyncio.sleep(0.1)
    assert len((await llama.whole(messages=QUESTION, max_tokens=3))[0]) == 3
