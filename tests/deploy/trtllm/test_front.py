"""Answers through the model in front of TensorRT-LLM, on a real Triton; behind it writes a stand-in."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, aclosing
from typing import Any

import pytest

from contracts.errors import DependencyFailed, Overloaded
from tests.deploy.genai.conftest import RESPONSE_TIMEOUT_S, Llama
from tests.deploy.trtllm.conftest import SLOTS, WAITING

pytestmark = pytest.mark.integration

PROMPT = "one two three four"
ENDLESS = 90_000


def written(words: str, count: int, first: int = 0) -> str:
    """What the stand-in writes."""
    back_to_front = words.split()[::-1]
    return "".join(f"{back_to_front[(first + number) % len(back_to_front)]} " for number in range(count))


async def answers_running(front: Llama) -> int:
    """Answers that the stand-in writes at the moment."""
    _, text, _ = await front.whole(prompt="how many?")
    return int(text)


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(RESPONSE_TIMEOUT_S):
        while not await condition():  # noqa: ASYNC110 - what is waited for is another process
            await asyncio.sleep(0.01)


async def test_an_answer_streams_in_pieces_of_whole_characters_and_says_why_it_ended(front: Llama) -> None:
    responses = [each async for each in front.stream(prompt=PROMPT, max_tokens=6)]
    deltas = [bytes(each["delta"][0]).decode() for each in responses]
    assert "".join(deltas) == written(PROMPT, 6)
    assert len(deltas) == 6
    assert [bytes(each["finish_reason"][0]) for each in responses] == [b""] * 5 + [b"length"]
    counts = [int(each["completion_tokens"][0]) for each in responses]
    assert counts == sorted(counts)
    assert counts[-1] == sum(len(each["token_ids"]) for each in responses)


async def test_messages_go_through_the_checkpoints_chat_template_without_a_second_beginning(
    front: Llama, exports: Any
) -> None:
    for reference in json.loads((exports / "answers.json").read_text()):
        (first, *_) = [each async for each in front.stream(messages=reference["messages"], max_tokens=1)]
        assert int(first["prompt_tokens"][0]) == len(reference["prompt"])
    _, text, _ = await front.whole(messages=[{"role": "user", "content": "Why?"}], max_tokens=2)
    # The tokenizer of the writer adds <|begin_of_text|> itself.
    assert text.split()[-1].startswith("<|start_header_id|>user")


async def test_tokens_are_taken_as_their_text(front: Llama, exports: Any) -> None:
    reference = json.loads((exports / "answers.json").read_text())[0]
    by_ids = await front.whole(input_ids=reference["prompt"], max_tokens=5)
    assert by_ids == await front.whole(messages=reference["messages"], max_tokens=5)


async def test_a_seed_reaches_the_writer(front: Llama) -> None:
    _, text, _ = await front.whole(prompt=PROMPT, max_tokens=5, temperature=0.7, top_p=0.9, seed=2)
    assert text == written(PROMPT, 5, first=2)


async def test_an_answer_ends_before_its_stop_text_and_the_writer_stops(front: Llama) -> None:
    _, text, reason = await front.whole(prompt=PROMPT, max_tokens=ENDLESS, stop=["two one four three"])
    assert (text, reason) == ("four three ", "stop")
    await until(lambda: nobody_writes(front))


async def nobody_writes(front: Llama) -> bool:
    return await answers_running(front) == 0


async def test_a_reader_who_leaves_stops_the_writer_and_frees_the_slot(front: Llama) -> None:
    async with AsyncExitStack() as left_open:
        for _ in range(SLOTS):
            holder = front.stream(prompt=PROMPT, max_tokens=ENDLESS)
            await left_open.enter_async_context(aclosing(holder))
            await anext(holder)
        waiting = asyncio.create_task(front.whole(prompt=PROMPT, max_tokens=5))
        for _ in range(50):
            await anext(holder)
        assert not waiting.done()
        await holder.aclose()
        async with asyncio.timeout(RESPONSE_TIMEOUT_S):
            assert (await waiting)[1] == written(PROMPT, 5)
        assert await answers_running(front) == SLOTS - 1
    await until(lambda: nobody_writes(front))


async def test_sixteen_streams_all_finish(front: Llama) -> None:
    answers = await asyncio.gather(*(front.whole(prompt=f"{n} {PROMPT}", max_tokens=20) for n in range(16)))
    assert [text for _, text, _ in answers] == [written(f"{n} {PROMPT}", 20) for n in range(16)]


async def test_more_than_slots_and_queue_hold_are_refused_at_once(front: Llama) -> None:
    async with AsyncExitStack() as left_open:
        held = [front.stream(prompt=PROMPT, max_tokens=ENDLESS) for _ in range(SLOTS)]
        for holder in held:
            await left_open.enter_async_context(aclosing(holder))
            await anext(holder)
        waiting = [asyncio.create_task(front.whole(prompt=PROMPT, max_tokens=1)) for _ in range(WAITING + 3)]
        async with asyncio.timeout(RESPONSE_TIMEOUT_S):
            while sum(task.done() for task in waiting) < 3:
                await asyncio.wait([task for task in waiting if not task.done()], return_when="FIRST_COMPLETED")
        assert all(isinstance(task.exception(), Overloaded) for task in waiting if task.done())
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert sum(isinstance(each, Overloaded) for each in results) == 3
    assert (
        sum(each == written(PROMPT, 1) for _, each, _ in (r for r in results if isinstance(r, tuple))) == WAITING
    )


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"prompt": "x", "temperature": 9.0},
        {"prompt": "x", "min_tokens": 5},
        {"prompt": "x " * 9000},
        {"input_ids": [10**6]},
    ],
)
async def test_what_cannot_be_is_refused(front: Llama, asked: dict[str, Any]) -> None:
    with pytest.raises(DependencyFailed):
        await front.whole(**asked)
    assert (await front.whole(prompt=PROMPT, max_tokens=1))[1] == written(PROMPT, 1)
