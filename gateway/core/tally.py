"""The numbers of one run of an experiment, as `gateway.core.counting` makes them of its events. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from contracts.experiments import MEASURES, Experiment, Measure, chance
from gateway.core.confidence import DifferenceSequence, MeanSequence, difference
from gateway.core.observation import OpenUnit
from gateway.core.sample_ratio import RatioTest

LATENCY_EDGES_MS = (5, 10, 20, 40, 60, 80, 100, 125, 150, 175, 200, 300, 500, 1000)
# Units that one run counts; the interval is narrow enough long before.
MOST_UNITS = 200_000
# What can be told of a shadow, whose hits nobody sees.
SHADOW_MEASURES: tuple[Measure, ...] = ("errors", "latency")
_MOST_POINTS = 240


class ArmCounts(msgspec.Struct):
    """Plain counts of one variant. `latency_counts` has one more entry than `LATENCY_EDGES_MS`."""

    impressions: int = 0
    failed: int = 0
    empty: int = 0
    partial: int = 0
    clicks: int = 0
    yes: int = 0
    no: int = 0
    settled: int = 0
    latency_counts: list[int] = msgspec.field(default_factory=lambda: [0] * (len(LATENCY_EDGES_MS) + 1))


class Point(msgspec.Struct, array_like=True, frozen=True):
    """The metric's interval at a time, for the picture."""

    at_ms: int
    units: int
    estimate: float
    low: float
    high: float


class Track(msgspec.Struct):
    """A treatment's intervals over time, thinned out evenly as they grow in number."""

    points: list[Point] = msgspec.field(default_factory=list)
    every: int = 1
    skipped: int = 0

    def add(self, point: Point) -> None:
        """Keep the point, if its turn has come."""
        self.skipped += 1
        if self.skipped < self.every:
            return
        self.skipped = 0
        self.points.append(point)
        if len(self.points) > _MOST_POINTS:
            self.points = self.points[1::2]
            self.every *= 2


class MirrorUnit(msgspec.Struct, array_like=True):
    """A unit whose questions were put to a shadow too: sums over them, until its outcome is settled.

    Args:
        overlap: over the `compared` questions that the shadow answered.
        slower: slow answers of the shadow, less slow answers of the control.
    """

    first_ms: int
    n: int = 0
    compared: int = 0
    overlap: float = 0.0
    slower: int = 0
    failed: int = 0


class Tally(msgspec.Struct):
    """All numbers of one run.

    Args:
        effects: for each treatment and measure how much more it gives than the control.
        guards: the same for the measures of the guardrails, which share 5 % among them.
        preference, preference_guard: of interleaved lists, from 0 (the control's hits are clicked) to 1.
        overlap: of a shadow, the share of the answer's hits that it finds too.
        paired: of a shadow and by measure, 1/2 and half of what it gives more than the control.
        came: how many units were counted when a variant last told of an exposure, by variant.
    """

    arms: list[ArmCounts]
    effects: list[dict[Measure, DifferenceSequence]]
    guards: list[dict[Measure, DifferenceSequence]]
    preference: MeanSequence
    preference_guard: MeanSequence
    overlap: MeanSequence
    paired: dict[Measure, MeanSequence]
    tracks: list[Track]
    ratio: RatioTest
    came: list[int]
    open: dict[str, OpenUnit] = msgspec.field(default_factory=dict)
    mirrored: dict[str, MirrorUnit] = msgspec.field(default_factory=dict)
    settled: set[str] = msgspec.field(default_factory=set)
    heard: int = 0
    last_ms: int = 0

    @property
    def units(self) -> int:
        """Units that came, settled or not."""
        return len(self.open) + len(self.mirrored) + len(self.settled)


def new_tally(experiment: Experiment) -> Tally:
    """The numbers of a run that has just begun.

    The experiment's `alpha` is divided by the number of treatments for its metric, and 5 % by treatments and
    guardrails for those: however many intervals there are, a false call of either kind stays as rare as promised.
    Measures that are neither have 5 % each, and are for looking at.
    """
    treatments = len(experiment.treatments)
    watched = [guardrail.measure for guardrail in experiment.guardrails]
    guard_alpha = 0.05 / max(1, treatments * len(watched))

    def sequences(measures: Iterable[Measure], alphas: Mapping[Measure, float]) -> list[dict[Measure, Any]]:
        shares = experiment.started_shares or experiment.shares
        chances = [chance(shares, index) for index in range(1, treatments + 1)]
        return [
            {measure: difference(alphas.get(measure, 0.05), min(p, 1 - p)) for measure in measures}
            for p in chances
        ]

    return Tally(
        arms=[ArmCounts() for _ in experiment.variants],
        effects=sequences(MEASURES, {experiment.metric: experiment.alpha / treatments}),
        guards=sequences(watched, dict.fromkeys(watched, guard_alpha)),
        preference=MeanSequence(experiment.alpha),
        preference_guard=MeanSequence(guard_alpha),
        overlap=MeanSequence(0.05),
        paired={measure: MeanSequence(guard_alpha) for measure in SHADOW_MEASURES},
        tracks=[Track() for _ in experiment.treatments],
        ratio=RatioTest([0] * len(experiment.variants)),
        came=[0] * len(experiment.variants),
    )
