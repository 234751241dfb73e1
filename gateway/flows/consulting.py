"""Asks the language model for a few words that no reader sees: in time, and not while it keeps failing.

What consults it can do without: every failure is an answer, None, and the reason is in the log.
"""

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass

from contracts.errors import (
    DeadlineExceeded,
    DependencyDown,
    DependencyFailed,
    InvalidInput,
    Overloaded,
)
from contracts.tensors import LLAMA
from contracts.trace import TraceContext
from gateway.core.clock import Clock
from gateway.core.prompt import inert
from gateway.core.writing import Message, Piece, Sampling
from gateway.flows.chat import LanguageModels
from gateway.flows.writing import guarded
from runtime.breaker import CircuitBreaker
from runtime.telemetry import get_logger

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Advice:
    """What the model replied, and the tokens that it read and wrote for it."""

    text: str
    tokens: int


class Consultant:
    """The language model in one of its side roles. Use it from one event loop.

    Args:
        role: what it is asked as, for spans and logs.
        breaker: of this role alone: a model too slow for it may still be quick enough to write.
        within_s: longest wait for the whole reply.
    """

    def __init__(
        self, models: LanguageModels, *, role: str, breaker: CircuitBreaker, clock: Clock, within_s: float
    ) -> None:
        self._models = models
        self._role = role
        self._breaker = breaker
        self._clock = clock
        self._within_s = within_s

    @property
    def breaker(self) -> tuple[str, str]:
        """Name and state of the breaker."""
        return self._breaker.name, self._breaker.state

    async def at_hand(self) -> bool:
        """Whether there is a language model to ask."""
        return await self._models.language_model() is not None

    async def reply(self, messages: Sequence[Message], *, max_tokens: int, trace: TraceContext) -> Advice | None:
        """The likeliest reply; None where there is no model, or it fails, or takes too long."""
        model = await self._models.language_model()
        if model is None:
            return None
        pieces = guarded(
            lambda hop: model.write(
                inert(messages), Sampling(max_tokens=max_tokens), timeout_s=self._within_s, trace=hop
            ),
            writer=LLAMA,
            step=self._role,
            trace=trace,
            breaker=self._breaker,
            clock=self._clock,
            within_s=self._within_s,
        )
        texts: list[str] = []
        last = Piece("")
        try:
            async with aclosing(pieces) as written:
                async for last in written:
                    texts.append(last.text)
        except (DependencyDown, DependencyFailed, Overloaded, DeadlineExceeded, InvalidInput) as exc:
            # InvalidInput: the messages are longer than the model reads.
            _log.warning("consultation_failed", role=self._role, trace_id=trace.trace_id, why=exc.message)
            return None
        return Advice("".join(texts), last.usage.prompt_tokens + last.usage.completion_tokens)
