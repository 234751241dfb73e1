"""A language model in its side roles that says what a test wants, and those who ask it."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field

from contracts.errors import TriremeError
from contracts.trace import TraceContext
from gateway.core.clock import Clock
from gateway.core.writing import Message, Piece, Sampling, Usage
from gateway.flows.consulting import Consultant
from runtime.breaker import CircuitBreaker


@dataclass
class Replier:
    """Says `reply` after `pause_s`, or fails."""

    reply: str = ""
    loaded: bool = True
    pause_s: float = 0.1
    failure: TriremeError | None = None
    asked: list[list[Message]] = field(default_factory=list)
    sampled: list[Sampling] = field(default_factory=list)
    closed: int = 0

    async def language_model(self) -> "Replier | None":
        return self if self.loaded else None

    async def write(
        self, messages: Sequence[Message], sampling: Sampling, *, timeout_s: float, trace: TraceContext
    ) -> AsyncGenerator[Piece, None]:
        self.asked.append(list(messages))
        self.sampled.append(sampling)
        try:
            await asyncio.sleep(self.pause_s)
            if self.failure:
                raise self.failure
            yield Piece(self.reply[:3], Usage(40, 1))
            yield Piece(self.reply[3:], Usage(40, 2), finish_reason="stop")
        finally:
            self.closed += 1


@dataclass
class CountingAnswerMeter:
    """Keeps what answers report."""

    dropped: int = 0
    judgements: list[str] = field(default_factory=list)
    follow_ups: list[str] = field(default_factory=list)
    breakers: dict[str, str] = field(default_factory=dict)

    def citations_dropped(self, count: int) -> None:
        self.dropped += count

    def condensed(self, outcome: str) -> None:
        self.follow_ups.append(outcome)

    def judged(self, outcome: str) -> None:
        self.judgements.append(outcome)

    def breaker(self, name: str, state: str) -> None:
        self.breakers[name] = state


def consultant(model: Replier, clock: Clock, *, role: str = "judge", within_s: float = 8.0) -> Consultant:
    """Whoever asks the model in a role."""
    breaker = CircuitBreaker(role, failures=2, reset_s=30.0, clock=clock.monotonic_s)
    return Consultant(model, role=role, breaker=breaker, clock=clock, within_s=within_s)
