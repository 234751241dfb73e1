"""A conversation with the language model itself: nothing is searched, nothing is cited."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Protocol

from contracts.errors import DependencyDown
from contracts.tensors import LLAMA
from contracts.trace import TraceContext
from gateway.core.clock import Clock
from gateway.core.prompt import inert
from gateway.core.writing import Message, Piece, Sampling
from gateway.flows.writing import guarded
from runtime.breaker import CircuitBreaker

# A slot may have to be waited for, and a long prompt read, before the first token.
_NEXT_PIECE_S = 60.0
# A long answer of a large model on a CPU takes minutes. What clients of the protocol wait at most by default.
_WHOLE_S = 600.0
_ASK_AGAIN_S = 5.0


class LanguageModel(Protocol):
    """Goes on with a conversation."""

    def write(
        self, messages: Sequence[Message], sampling: Sampling, *, timeout_s: float, trace: TraceContext
    ) -> AsyncGenerator[Piece, None]:
        """The next message in pieces, the last of which says why it ended.

        Args:
            timeout_s: longest wait for each piece.

        Raises:
            PayloadTooLarge: the messages leave no room for an answer. InvalidInput: the model refuses them.
            DependencyDown, DependencyFailed, Overloaded, DeadlineExceeded: it cannot go on.
        """
        ...


class LanguageModels(Protocol):
    """Knows whether there is a language model."""

    async def language_model(self) -> LanguageModel | None:
        """The one that is loaded now; never fails."""
        ...


class ChatFlow:
    """Conversations with the language model.

    Args:
        breaker: shared with whoever else asks the model.
    """

    def __init__(self, models: LanguageModels, *, breaker: CircuitBreaker, clock: Clock) -> None:
        self._models = models
        self._breaker = breaker
        self._clock = clock

    async def chat(
        self, messages: Sequence[Message], sampling: Sampling, trace: TraceContext
    ) -> AsyncGenerator[Piece, None]:
        """The next message in pieces, as `LanguageModel.write` gives them.

        Raises:
            DependencyDown: no language model is loaded, or it is left alone because it failed.
            whatever `LanguageModel.write` raises.
        """
        model = await self._models.language_model()
        if model is None:
            raise DependencyDown(LLAMA, "No language model is loaded.", retry_after_s=_ASK_AGAIN_S)
        pieces = guarded(
            lambda hop: model.write(inert(messages), sampling, timeout_s=_NEXT_PIECE_S, trace=hop),
            writer=LLAMA,
            trace=trace,
            breaker=self._breaker,
            clock=self._clock,
            within_s=_WHOLE_S,
        )
        async with aclosing(pieces) as written:
            async for piece in written:
                yield piece
