"""Reports what searches and answers did as Prometheus metrics."""

from collections.abc import Mapping

from contracts.metrics import (
    ADMISSION_LIMIT,
    ADMISSION_REFUSED,
    ANSWER_FOLLOW_UPS,
    ANSWER_JUDGEMENTS,
    BREAKER_STATE,
    CITATIONS_DROPPED,
    HEDGES,
    SEARCH_COVERAGE,
    SEARCH_LATENCY_MS,
    SEARCH_STAGE_SECONDS,
)
from runtime.telemetry import Metrics

_BREAKER = {"closed": 0.0, "half_open": 0.5, "open": 1.0}


class PrometheusMeter:
    """Fulfils `SearchMeter` of `gateway.flows.ports` and the meters of answers."""

    def __init__(self, metrics: Metrics) -> None:
        self._latency = metrics.histogram(SEARCH_LATENCY_MS)
        self._stages = metrics.histogram(SEARCH_STAGE_SECONDS)
        self._missing = metrics.counter(SEARCH_COVERAGE)
        self._hedges = metrics.counter(HEDGES)
        self._breakers = metrics.gauge(BREAKER_STATE)
        self._limit = metrics.gauge(ADMISSION_LIMIT)
        self._refused = metrics.counter(ADMISSION_REFUSED)
        self._citations_dropped = metrics.counter(CITATIONS_DROPPED)
        self._judgements = metrics.counter(ANSWER_JUDGEMENTS)
        self._follow_ups = metrics.counter(ANSWER_FOLLOW_UPS)

    def answered(self, served_by: str, total_ms: float, timings_ms: Mapping[str, float]) -> None:
        """A search was answered, or failed (`served_by` "error")."""
        self._latency.labels(served_by).observe(total_ms)
        for stage, spent_ms in timings_ms.items():
            self._stages.labels(stage).observe(spent_ms / 1000)

    def missing_shards(self, group: int, count: int) -> None:
        """Shards did not answer in time."""
        self._missing.labels(str(group)).inc(count)

    def hedged(self, reason: str) -> None:
        """A request was repeated to the other group."""
        self._hedges.labels(reason).inc()

    def breaker(self, name: str, state: str) -> None:
        """A breaker stands at "closed", "half_open" or "open"."""
        self._breakers.labels(name).set(_BREAKER[state])

    def admission(self, limit: int, *, refused: bool) -> None:
        """A search was let in to the index, or refused."""
        self._limit.set(limit)
        self._refused.inc(refused)

    def citations_dropped(self, count: int) -> None:
        """Citations were left out because their quote is not in the source."""
        self._citations_dropped.inc(count)

    def condensed(self, outcome: str) -> None:
        """A follow-up question was put to the language model."""
        self._follow_ups.labels(outcome).inc()

    def judged(self, outcome: str) -> None:
        """Passages were put to the judge."""
        self._judgements.labels(outcome).inc()
