"""Experiments, queries and events for tests."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec
import numpy as np

from contracts.codec import decode, encode
from contracts.errors import DependencyDown
from contracts.experiment_events import ExperimentEvent, Exposure, Mirrored, Outcome
from contracts.experiment_life import put, started
from contracts.experiments import Changes, Experiment, Variant
from gateway.core.experiment_book import ExperimentBook
from gateway.core.query import Caller, QueryPicture, SearchQuery

T = TypeVar("T")
E = TypeVar("E", Exposure, Outcome, Mirrored)

FULL_OR_DISTILLED = (
    Variant(name="full", changes=Changes(encoder="full")),
    Variant(name="distilled", changes=Changes(encoder="distilled")),
)
SCORE_OR_SPREAD = (Variant(name="score"), Variant(name="spread", changes=Changes(reranker="spread")))


def draft(name: str = "towers", **changes: Any) -> Experiment:
    """A definition."""
    basic: dict[str, Any] = {
        "tenant": "default",
        "name": name,
        "kind": "split",
        "unit": "user",
        "salt": f"salt of {name}",
        "variants": FULL_OR_DISTILLED,
    }
    return put(None, Experiment(**basic | changes), by="test", at_ms=0, why="")


def running(name: str = "towers", **changes: Any) -> Experiment:
    """An experiment that has just been started."""
    return started(draft(name, **changes), (), by="test", at_ms=1, why="")


def reweighted(experiment: Experiment, *weights: float) -> Experiment:
    """With other weights."""
    variants = tuple(
        msgspec.structs.replace(variant, weight=weight)
        for variant, weight in zip(experiment.variants, weights, strict=True)
    )
    return msgspec.structs.replace(experiment, variants=variants)


def query(
    *,
    user: str | None = "ann",
    picture: bool = True,
    forced: dict[str, str] | None = None,
    tier: str | None = None,
    **changes: Any,
) -> SearchQuery:
    """A search of a user."""
    pixels = QueryPicture(np.zeros((8, 8, 3), dtype=np.uint8), sha256="0" * 64, space_id="space")
    return SearchQuery(
        words="pumps",
        pictures=(pixels,) if picture else (),
        k=5,
        tier=tier,
        caller=Caller(user=user, session="tab", forced=forced or {}),
        **changes,
    )


def event(
    experiment: Experiment, unit: str, what: Exposure | Outcome | Mirrored, *, at_ms: int = 0
) -> ExperimentEvent:
    """One event of the experiment's run."""
    return ExperimentEvent(
        tenant="default", experiment=experiment.name, run=experiment.run, unit=unit, at_ms=at_ms, what=what
    )


def exposure(
    experiment: Experiment, variant: int, impression: str, *, latency_ms: float = 20.0, **flags: bool
) -> Exposure:
    """An answer by a variant."""
    return Exposure(
        impression=impression, variant=variant, shares=experiment.shares, latency_ms=latency_ms, **flags
    )


@dataclass
class MemoryLog:
    """The log of experiments in memory: what is written is read at once, and counted as the real book counts."""

    book: ExperimentBook = field(default_factory=ExperimentBook)
    events: list[ExperimentEvent] = field(default_factory=list)

    def offered(self) -> Sequence[Experiment]:
        return self.book.offered

    def tell(self, event: ExperimentEvent) -> None:
        event = decode(ExperimentEvent, encode(event))
        self.events.append(event)
        self.book.count(event)

    def look(self, ask: Callable[[ExperimentBook, bool], T]) -> T:
        return ask(self.book, True)

    def write(self, decide: Callable[[ExperimentBook], Experiment]) -> None:
        self.define(decide(self.book))

    def define(self, *records: Experiment) -> None:
        for record in records:
            self.book.define(decode(Experiment, encode(record)))

    def run(self, name: str = "towers", **changes: Any) -> Experiment:
        """Start an experiment."""
        defined = draft(name, **changes)
        self.define(defined, started(defined, (), by="test", at_ms=1, why=""))
        last = self.book.last(name)
        assert last is not None
        return last

    def told(self, kind: type[E]) -> list[E]:
        """What was told of one kind."""
        return [event.what for event in self.events if isinstance(event.what, kind)]


@dataclass
class MemoryOnce:
    """Keys that can be used once."""

    used: set[str] = field(default_factory=set)
    up: bool = True

    async def use(self, key: str, *, ttl_s: int) -> bool:
        if not self.up:
            raise DependencyDown("redis")
        fresh = key not in self.used
        self.used.add(key)
        return fresh


@dataclass
class CountingExperimentMeter:
    """What was reported."""

    counts: Counter[tuple[str, ...]] = field(default_factory=Counter)

    def exposed(self, experiment: str, variant: str, outcomes: Sequence[str], latency_ms: float) -> None:
        for outcome in outcomes:
            self.counts[(experiment, variant, outcome)] += 1

    def shadowed(self, outcome: str) -> None:
        self.counts[("shadow", outcome)] += 1

    def feedback(self, kind: str, outcome: str) -> None:
        self.counts[("feedback", kind, outcome)] += 1
