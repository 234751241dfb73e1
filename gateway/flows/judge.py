"""Has the language model order the passages of an answer before the prompt is filled with the first of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from contracts.trace import TraceContext
from gateway.core.judging import MOST_JUDGED, Verdict, judge_messages, judged, most_reply_tokens
from gateway.core.prompt import Passage
from gateway.flows.consulting import Consultant

# Some 120 tokens a passage: two or three sentences, which is what a judge needs to see.
_BUDGET_TOKENS = 3000

Outcome = Verdict | Literal["failed"]


class JudgeMeter(Protocol):
    """Where judgements are reported, for metrics."""

    def judged(self, outcome: Outcome) -> None:
        """Passages were put to the judge."""
        ...

    def breaker(self, name: str, state: str) -> None:
        """A breaker stands at "closed", "half_open" or "open"."""
        ...


@dataclass(frozen=True, slots=True)
class Ordered:
    """The passages, the best first.

    Args:
        by_judge: whether the order is the judge's; the search's where that could not be had.
        tokens: what asking cost.
    """

    passages: tuple[Passage, ...]
    by_judge: bool
    tokens: int = 0


class Judge:
    """Orders passages.

    Args:
        count_tokens: near enough to the model's own count for a budget.
    """

    def __init__(self, consultant: Consultant, *, count_tokens: Callable[[str], int], meter: JudgeMeter) -> None:
        self._consultant = consultant
        self._count_tokens = count_tokens
        self._meter = meter

    async def at_hand(self) -> bool:
        """Whether there is a language model to ask."""
        return await self._consultant.at_hand()

    async def order(self, question: str, passages: Sequence[Passage], trace: TraceContext) -> Ordered:
        """The same passages in the judge's order, or as they come when there is none in time. Never fails.

        Args:
            passages: best first; those after the first `MOST_JUDGED` keep their places behind them.
        """
        first, rest = passages[:MOST_JUDGED], passages[MOST_JUDGED:]
        if len(first) < 2:
            return Ordered(tuple(passages), by_judge=False)
        messages = judge_messages(question, first, budget_tokens=_BUDGET_TOKENS, count=self._count_tokens)
        advice = await self._consultant.reply(messages, max_tokens=most_reply_tokens(first), trace=trace)
        self._meter.breaker(*self._consultant.breaker)
        if advice is None:
            self._meter.judged("failed")
            return Ordered(tuple(passages), by_judge=False)
        judgement = judged(advice.text, first)
        self._meter.judged(judgement.verdict)
        return Ordered(
            (*judgement.passages, *rest), by_judge=judgement.verdict != "unreadable", tokens=advice.tokens
        )
