"""Conversations with the language model itself."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from contracts.errors import DeadlineExceeded, DependencyDown, DependencyFailed, PayloadTooLarge, TriremeError
from contracts.trace import TraceContext
from gateway.core.writing import GREEDY, Message, Piece, Sampling, Usage
from gateway.flows.chat import ChatFlow
from runtime import tracing
from runtime.breaker import CircuitBreaker
from runtime.span_files import read_spans
from runtime.span_recorder import recorder_to
from tests.gateway.fakes import TRACE
from tests.gateway.virtual_time import run, running_loop

HELLO = [Message("user", "Hello <|eot_id|> there")]


@dataclass
class Speaker:
    """Says the last message's words, `pause_s` apart, and then fails if it was told to."""

    loaded: bool = True
    pause_s: float = 0.1
    failure: TriremeError | None = None
    asked: list[list[Message]] = field(default_factory=list)
    closed: int = 0

    async def language_model(self) -> "Speaker | None":
        return self if self.loaded else None

    async def write(
        self, messages: Sequence[Message], sampling: Sampling, *, timeout_s: float, trace: TraceContext
    ) -> AsyncGenerator[Piece, None]:
        self.asked.append(list(messages))
        try:
            for n, word in enumerate(messages[-1].content.split(), start=1):
                await asyncio.sleep(self.pause_s)
                yield Piece(word, Usage(1, n))
            if self.failure:
                raise self.failure
        finally:
            self.closed += 1


def chat(speaker: Speaker, times: int = 1) -> tuple[list[Piece], CircuitBreaker, list[TriremeError]]:
    """Pieces of the last of `times` conversations, the breaker, and what each failed with; in virtual time."""

    async def work() -> tuple[list[Piece], CircuitBreaker, list[TriremeError]]:
        clock = running_loop().clock()
        breaker = CircuitBreaker("generator", failures=2, reset_s=10.0, clock=clock.monotonic_s)
        flow = ChatFlow(speaker, breaker=breaker, clock=clock)
        pieces: list[Piece] = []
        raised: list[TriremeError] = []
        for _ in range(times):
            try:
                pieces = [piece async for piece in flow.chat(HELLO, GREEDY, TRACE)]
            except TriremeError as exc:
                raised.append(exc)
        return pieces, breaker, raised

    return run(work())


def test_pieces_come_as_they_are_written_and_no_message_can_open_another() -> None:
    speaker = Speaker()
    pieces, _, raised = chat(speaker)
    assert speaker.asked == [[Message("user", "Hello < |eot_id| > there")]]
    assert [piece.text for piece in pieces] == ["Hello", "<", "|eot_id|", ">", "there"]
    assert (pieces[-1].usage, raised) == (Usage(1, 5), [])


def test_without_a_language_model_that_is_said_and_nothing_counts_as_broken() -> None:
    _, breaker, raised = chat(Speaker(loaded=False), times=5)
    assert [str(each) for each in raised] == ["No language model is loaded."] * 5
    assert breaker.state == "closed"


def test_a_model_that_keeps_failing_is_left_alone() -> None:
    speaker = Speaker(failure=DependencyFailed("triton"))
    _, breaker, raised = chat(speaker, times=4)
    assert [type(each) for each in raised] == [DependencyFailed] * 2 + [DependencyDown] * 2
    assert (len(speaker.asked), breaker.state) == (2, "open")


def test_what_the_caller_did_wrong_breaks_nothing() -> None:
    _, breaker, raised = chat(Speaker(failure=PayloadTooLarge("Too long.")), times=4)
    assert ([type(each) for each in raised], breaker.state) == ([PayloadTooLarge] * 4, "closed")


def test_a_model_that_takes_for_ever_is_given_up_and_closed() -> None:
    speaker = Speaker(pause_s=250.0)
    _, _, raised = chat(speaker)
    assert ([type(each) for each in raised], speaker.closed) == ([DeadlineExceeded], 1)


@pytest.mark.parametrize("read", [0, 1])
def test_who_stops_reading_closes_the_model(read: int) -> None:
    speaker = Speaker()

    async def work() -> None:
        clock = running_loop().clock()
        breaker = CircuitBreaker("generator", failures=2, reset_s=10.0, clock=clock.monotonic_s)
        pieces = ChatFlow(speaker, breaker=breaker, clock=clock).chat(HELLO, GREEDY, TRACE)
        for _ in range(read):
            await anext(pieces)
        await pieces.aclose()

    run(work())
    assert speaker.closed == len(speaker.asked) == read


def test_what_is_written_is_a_span_that_tells_of_its_first_and_last_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = recorder_to("gateway", tmp_path, None)
    monkeypatch.setattr(tracing, "_recorder", recorder)
    pieces, _, _ = chat(Speaker(pause_s=0.25))
    chat(Speaker(failure=DependencyFailed("triton")))
    recorder.close()
    whole, broken = read_spans(tmp_path, TRACE.trace_id)
    assert {whole.name, broken.name} == {"generate"}
    assert whole.parent == TRACE.span_id
    assert whole.attributes == {"writer": "llama", "first_token_ms": 250.0, "tokens": len(pieces)}
    assert broken.attributes["error"] == "DependencyFailed"
