"""Has the language model make a follow-up question whole before the documents are searched for it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from contracts.trace import TraceContext
from gateway.core.condensing import REPLY_TOKENS, condense_messages, condensed
from gateway.core.writing import Message
from gateway.flows.consulting import Consultant

# Of a long conversation the last turns say what "it" is; reading more costs time before anything is searched.
_BUDGET_TOKENS = 1000

Outcome = Literal["rewritten", "unchanged", "unreadable", "failed"]


class CondenseMeter(Protocol):
    """Where follow-up questions are reported, for metrics."""

    def condensed(self, outcome: Outcome) -> None:
        """A follow-up question was put to the language model."""
        ...

    def breaker(self, name: str, state: str) -> None:
        """A breaker stands at "closed", "half_open" or "open"."""
        ...


@dataclass(frozen=True, slots=True)
class Standalone:
    """What is searched for.

    Args:
        words: the question made whole, or as it was asked.
        tokens: what asking cost.
    """

    words: str | None
    tokens: int = 0


class Condenser:
    """Makes questions whole.

    Args:
        count_tokens: near enough to the model's own count for a budget.
    """

    def __init__(
        self, consultant: Consultant, *, count_tokens: Callable[[str], int], meter: CondenseMeter
    ) -> None:
        self._consultant = consultant
        self._count_tokens = count_tokens
        self._meter = meter

    async def standalone(self, question: str | None, turns: Sequence[Message], trace: TraceContext) -> Standalone:
        """The question as one that needs no conversation. Never fails.

        It stays as it is where nothing was said before, where there is no language model, and where that says
        nothing usable in time.
        """
        if question is None or not turns or not await self._consultant.at_hand():
            return Standalone(question)
        messages = condense_messages(question, turns, budget_tokens=_BUDGET_TOKENS, count=self._count_tokens)
        advice = await self._consultant.reply(messages, max_tokens=REPLY_TOKENS, trace=trace)
        self._meter.breaker(*self._consultant.breaker)
        if advice is None:
            self._meter.condensed("failed")
            return Standalone(question)
        whole = condensed(advice.text)
        if whole is None:
            self._meter.condensed("unreadable")
            return Standalone(question, advice.tokens)
        self._meter.condensed("unchanged" if whole == question else "rewritten")
        return Standalone(whole, advice.tokens)
