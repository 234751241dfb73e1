"""All that a gateway knows of experiments: versions and numbers, as the two logs told them. Pure."""

from collections import deque
from collections.abc import Iterator, Sequence

from contracts.errors import NotFound
from contracts.experiment_events import ExperimentEvent
from contracts.experiment_life import take
from contracts.experiments import Experiment
from contracts.experiments_view import ExperimentView
from gateway.core.counting import count, reweight, settle
from gateway.core.experiment_view import experiment_view
from gateway.core.guardrails import violation
from gateway.core.tally import Tally, new_tally

# Events may be read before the start that they belong to: these are two logs.
_MOST_EARLY = 10_000


class ExperimentBook:
    """Versions of experiments, and the numbers of the last run of each."""

    def __init__(self) -> None:
        self._histories: dict[str, list[Experiment]] = {}
        self._tallies: dict[str, Tally] = {}
        self._early: deque[ExperimentEvent] = deque(maxlen=_MOST_EARLY)
        self.offered: tuple[Experiment, ...] = ()
        """Running experiments, and drafts for those who ask for them; replaced as a whole."""

    def define(self, record: Experiment) -> None:
        """Take in a record of the log `experiments`. A void one changes nothing."""
        last = self.last(record.name)
        if not take(self._histories, record):
            return
        if last is None or last.run != record.run or last.variants != record.variants:
            self._renumber(last, record)
        everyone = [history[-1] for history in self._histories.values()]
        self.offered = tuple(one for one in everyone if one.state in {"running", "draft"})

    def count(self, event: ExperimentEvent) -> None:
        """Take in a record of the log `experiment_events`. One of an earlier run, or of none, does not count."""
        known = self.last(event.experiment)
        if known is None or event.run > known.run:
            self._early.append(event)
        elif event.run == known.run:
            count(self._tallies[known.name], known, event)

    def settle(self, now_ms: int) -> None:
        """Settle what is due in running experiments."""
        for experiment in self._running():
            settle(self._tallies[experiment.name], experiment, now_ms)

    def violations(self) -> Iterator[tuple[Experiment, str]]:
        """Running experiments that must be rolled back, each with the reason."""
        for experiment in self._running():
            if reason := violation(experiment, self._tallies[experiment.name]):
                yield experiment, reason

    def last(self, name: str) -> Experiment | None:
        """The newest version."""
        history = self._histories.get(name)
        return history[-1] if history else None

    def history(self, name: str) -> Sequence[Experiment]:
        """All versions, oldest first."""
        return tuple(self._histories.get(name, ()))

    def view(self, name: str, *, complete: bool) -> ExperimentView:
        """One experiment with everything. Raises NotFound."""
        if name not in self._histories:
            raise NotFound(f"There is no experiment '{name}'.")
        return experiment_view(self._histories[name], self._tallies[name], complete=complete)

    def views(self, *, complete: bool) -> list[ExperimentView]:
        """All experiments in short, running ones first, then the latest."""
        order = sorted(self._histories.values(), key=lambda one: (one[-1].state != "running", -one[-1].at_ms))
        return [
            experiment_view(history, self._tallies[history[-1].name], complete=complete, whole=False)
            for history in order
        ]

    def _running(self) -> list[Experiment]:
        return [one for one in self.offered if one.state == "running"]

    def _renumber(self, last: Experiment | None, record: Experiment) -> None:
        if last is not None and last.run == record.run and record.state == "running":
            reweight(self._tallies[record.name])
            return
        self._tallies[record.name] = new_tally(record)
        early, self._early = self._early, deque(maxlen=_MOST_EARLY)
        for event in early:
            self.count(event)
