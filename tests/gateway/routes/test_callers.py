"""Callers who leave, and streams that are begun before they are sent. In virtual time, without a server."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from fastapi import Request
from starlette.types import Message

from gateway.routes.callers import Ahead, EventStream, Left, begun, while_there
from tests.gateway.virtual_time import run, running_loop

SCOPE: dict[str, Any] = {"type": "http", "method": "POST", "path": "/", "headers": []}


@dataclass
class Counting:
    """Counts up from 0, one number every `pause_s`, and fails at a number if it was told to."""

    pause_s: float = 1.0
    fails_at: int | None = None
    length: int = 5
    closed: int = 0

    async def numbers(self) -> AsyncGenerator[int, None]:
        try:
            for n in range(self.length):
                await asyncio.sleep(self.pause_s)
                if n == self.fails_at:
                    raise ValueError(n)
                yield n
        finally:
            self.closed += 1


@dataclass
class Caller:
    """Leaves after a while, or stays; keeps what it is sent. One that is gone cannot be sent anything."""

    leaves_after_s: float = 10_000.0
    gone: bool = False
    received: list[bytes] = field(default_factory=list)

    async def receive(self) -> dict[str, Any]:
        await asyncio.sleep(self.leaves_after_s)
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        if self.gone:
            raise OSError
        self.received.append(message.get("body", b""))

    def request(self) -> Request:
        return Request(SCOPE, self.receive)


def test_work_for_a_caller_who_stays_is_done() -> None:
    async def work() -> int:
        return 7

    async def ask() -> int:
        return await while_there(Caller().request(), work())

    assert run(ask()) == 7


def test_work_for_a_caller_who_leaves_is_cancelled_at_once() -> None:
    counting = Counting(pause_s=10.0)

    async def work() -> list[int]:
        return [number async for number in counting.numbers()]

    async def ask() -> float:
        with pytest.raises(Left):
            await while_there(Caller(leaves_after_s=15.0).request(), work())
        return running_loop().time()

    assert (run(ask()), counting.closed) == (15.0, 1)


def test_what_work_fails_with_is_the_callers_to_know() -> None:
    async def work() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        run(while_there(Caller().request(), work()))


@pytest.mark.parametrize("count", [0, 1, 3, 5, 9])
@pytest.mark.parametrize("within_s", [None, 0.0, 2.5, 100.0])
def test_however_much_was_fetched_ahead_all_items_come_once_and_in_order(
    count: int, within_s: float | None
) -> None:
    async def read() -> list[int]:
        ahead = Ahead(Counting().numbers())
        await ahead.fetch(count, within_s)
        return [number async for number in ahead.all()]

    assert run(read()) == [0, 1, 2, 3, 4]


def test_fetching_ends_in_time_and_the_stream_goes_on_from_there() -> None:
    async def read() -> tuple[float, list[float]]:
        ahead = Ahead(Counting(pause_s=2.0, length=3).numbers())
        await ahead.fetch(2, within_s=3.0)
        fetched_s = running_loop().time()
        return fetched_s, [running_loop().time() async for _ in ahead.all()]

    assert run(read()) == (3.0, [3.0, 4.0, 6.0])


def test_a_failure_within_what_is_fetched_is_raised_and_closes_the_stream() -> None:
    counting = Counting(fails_at=1)
    with pytest.raises(ValueError):
        run(begun(Caller().request(), counting.numbers(), 2, 100.0))
    assert counting.closed == 1


def test_a_caller_who_leaves_while_a_stream_begins_closes_it() -> None:
    counting = Counting()
    with pytest.raises(Left):
        run(begun(Caller(leaves_after_s=1.5).request(), counting.numbers(), 2))
    assert counting.closed == 1


async def texts(ahead: Ahead[int]) -> AsyncIterator[str]:
    async for number in ahead.all():
        yield str(number)


def answered(counting: Counting, caller: Caller, begun_with: int = 0) -> None:
    async def answer() -> None:
        ahead = Ahead(counting.numbers())
        await ahead.fetch(begun_with)
        await EventStream(texts(ahead), ahead, sep="\n")(SCOPE, caller.receive, caller.send)

    run(answer())


def test_while_nothing_is_written_comments_keep_the_connection_alive() -> None:
    caller = Caller()
    answered(Counting(pause_s=25.0, length=2), caller)
    blocks = b"".join(caller.received).split(b"\n\n")
    comments = [block for block in blocks if block.startswith(b":")]
    assert [block for block in blocks if block and not block.startswith(b":")] == [b"data: 0", b"data: 1"]
    assert len(comments) >= 4


def test_a_caller_who_leaves_in_the_middle_closes_the_stream() -> None:
    counting = Counting(length=1000)
    answered(counting, Caller(leaves_after_s=5.5))
    assert counting.closed == 1


def test_a_caller_who_left_before_anything_was_sent_closes_the_stream_too() -> None:
    counting = Counting(length=1000)
    with pytest.raises(BaseException):  # noqa: B017 - what a server makes of it is not ours
        answered(counting, Caller(gone=True), begun_with=1)
    assert counting.closed == 1


async def test_a_reader_who_takes_nothing_is_left_and_the_source_closed() -> None:
    closed = asyncio.Event()

    async def items() -> AsyncGenerator[str, None]:
        try:
            while True:
                yield "more"
        finally:
            closed.set()

    ahead = Ahead(items())

    async def events() -> AsyncIterator[str]:
        async for item in ahead.all():
            yield item

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async def stuck(message: Message) -> None:
        if message["type"] == "http.response.body":
            await asyncio.Event().wait()

    stream = EventStream(events(), ahead, send_timeout_s=0.01)
    scope = {"type": "http", "path": "/events", "method": "GET", "headers": []}
    async with asyncio.timeout(5):
        await stream(scope, receive, stuck)
    assert closed.is_set()
