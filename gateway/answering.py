"""Puts answers together: the search, what makes questions whole, what writes, what judges."""

from collections.abc import Callable

from contracts.api import AnswerRerank
from gateway.clients.generators import GeneratorChoice
from gateway.clients.meter import PrometheusMeter
from gateway.core.clock import Clock
from gateway.flows.answer import AnswerFlow
from gateway.flows.condense import Condenser
from gateway.flows.consulting import Consultant
from gateway.flows.judge import Judge
from gateway.flows.ports import Search
from runtime.breaker import CircuitBreaker


def open_answers(
    search: Search,
    generators: GeneratorChoice,
    *,
    count_tokens: Callable[[str], int],
    breaker: CircuitBreaker,
    meter: PrometheusMeter,
    clock: Clock,
    rerank: AnswerRerank,
    judge_s: float,
    condense_s: float,
) -> AnswerFlow:
    """Answers over a search and the generators.

    Args:
        breaker: of whatever writes; the judge has one of its own.
        rerank: what orders passages where a question does not say.
        judge_s: longest wait for the judge.
        condense_s: longest wait for a follow-up question to be made whole.
    """

    def consultant(role: str, within_s: float) -> Consultant:
        own = CircuitBreaker(role, failures=3, reset_s=30.0, clock=clock.monotonic_s)
        return Consultant(generators, role=role, breaker=own, clock=clock, within_s=within_s)

    return AnswerFlow(
        search,
        generators,
        count_tokens=count_tokens,
        breaker=breaker,
        meter=meter,
        clock=clock,
        condenser=Condenser(consultant("condense", condense_s), count_tokens=count_tokens, meter=meter),
        judge=Judge(consultant("judge", judge_s), count_tokens=count_tokens, meter=meter),
        rerank=rerank,
    )
