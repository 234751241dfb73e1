"""Reports what searches in experiments did as Prometheus metrics."""

from collections.abc import Sequence

from contracts.metrics import EXPERIMENT_LATENCY, EXPERIMENT_SEARCHES, FEEDBACK, SHADOW_SEARCHES
from runtime.telemetry import Metrics


class PrometheusExperimentMeter:
    """Fulfils `gateway.flows.experiment_ports.ExperimentMeter`."""

    def __init__(self, metrics: Metrics) -> None:
        self._searches = metrics.counter(EXPERIMENT_SEARCHES)
        self._latency = metrics.histogram(EXPERIMENT_LATENCY)
        self._shadows = metrics.counter(SHADOW_SEARCHES)
        self._feedback = metrics.counter(FEEDBACK)

    def exposed(self, experiment: str, variant: str, outcomes: Sequence[str], latency_ms: float) -> None:
        """A variant answered, or did not."""
        for outcome in outcomes:
            self._searches.labels(experiment, variant, outcome).inc()
        self._latency.labels(experiment, variant).observe(latency_ms / 1000)

    def shadowed(self, outcome: str) -> None:
        """A question for a shadow was "compared", "failed" or "left_out"."""
        self._shadows.labels(outcome).inc()

    def feedback(self, kind: str, outcome: str) -> None:
        """Feedback was "taken", "repeated" or "refused"."""
        self._feedback.labels(kind, outcome).inc()


class SilentMeter:
    """Fulfils `gateway.flows.ports.SearchMeter` for shadows, whose searches are nobody's."""

    def answered(self, served_by: str, total_ms: float, timings_ms: object) -> None:
        """Nothing is counted."""

    def missing_shards(self, group: int, count: int) -> None:
        """Nothing is counted."""

    def hedged(self, reason: str) -> None:
        """Nothing is counted."""

    def breaker(self, name: str, state: str) -> None:
        """Nothing is counted."""

    def admission(self, limit: int, *, refused: bool) -> None:
        """Nothing is counted."""
