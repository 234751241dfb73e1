"""What experiments need from outside, as small protocols."""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from contracts.experiment_events import ExperimentEvent
from contracts.experiments import Experiment
from gateway.core.experiment_book import ExperimentBook

T = TypeVar("T")


class ExperimentEvents(Protocol):
    """What a search needs of experiments; `gateway.clients.experiment_log.ExperimentLog`."""

    def offered(self) -> Sequence[Experiment]:
        """Running experiments, and drafts for those who ask for them. Waits for nothing."""
        ...

    def tell(self, event: ExperimentEvent) -> None:
        """Hand an event on; returns at once and never raises."""
        ...


class ExperimentBooks(Protocol):
    """The log behind what is known of experiments; `gateway.clients.experiment_log.ExperimentLog`."""

    def look(self, ask: Callable[[ExperimentBook, bool], T]) -> T:
        """What `ask` gives of the book and whether all of the log has been read. May block."""
        ...

    def write(self, decide: Callable[[ExperimentBook], Experiment]) -> None:
        """Put a version into the log and wait until it counts. May block.

        Raises:
            Conflict: somebody else was quicker. DependencyDown, DeadlineExceeded: Kafka is away.
        """
        ...


class OneUse(Protocol):
    """Lets each key be used once, by all gateways together."""

    async def use(self, key: str, *, ttl_s: int) -> bool:
        """False when it was used before. Raises DependencyDown: that cannot be known now."""
        ...


class ExperimentMeter(Protocol):
    """Where searches in experiments are reported."""

    def exposed(self, experiment: str, variant: str, outcomes: Sequence[str], latency_ms: float) -> None:
        """A variant answered, or did not."""
        ...

    def shadowed(self, outcome: str) -> None:
        """A question for a shadow was "compared", "failed" or "left_out"."""
        ...

    def feedback(self, kind: str, outcome: str) -> None:
        """Feedback was "taken", "repeated" or "refused"."""
        ...
