"""Counts the events of an experiment's run, in the order of the log: the same log gives the same numbers. Pure."""

from collections.abc import Mapping

from contracts.experiment_events import ExperimentEvent, Exposure, Mirrored, Outcome
from contracts.experiments import Experiment, Measure, chance
from gateway.core.confidence import DifferenceSequence, Interval
from gateway.core.observation import OpenUnit
from gateway.core.tally import LATENCY_EDGES_MS, MOST_UNITS, ArmCounts, MirrorUnit, Point, Tally

# A unit's questions beyond are those of a program.
_MOST_MIRRORED = 50


def count(tally: Tally, experiment: Experiment, event: ExperimentEvent) -> None:
    """Take in one event of this run; units whose window had ended before it are settled first."""
    settle(tally, experiment, event.at_ms)
    tally.heard += 1
    match event.what:
        case Exposure() as exposure if 0 <= exposure.variant < len(tally.arms):
            _expose(tally, experiment, event, exposure)
        case Outcome() as outcome:
            _hear(tally, event.unit, outcome)
        case Mirrored() as mirrored if experiment.kind == "shadow":
            _mirror(tally, experiment, event, mirrored)
        case _:
            pass


def settle(tally: Tally, experiment: Experiment, now_ms: int) -> None:
    """Settle the units whose window has ended by now."""
    tally.last_ms = max(tally.last_ms, now_ms)
    due_ms = tally.last_ms - experiment.window_s * 1000
    while tally.open and next(iter(tally.open.values())).first_ms <= due_ms:
        name = next(iter(tally.open))
        unit = tally.open.pop(name)
        tally.settled.add(name)
        tally.arms[unit.variant].settled += 1
        if experiment.kind == "interleave":
            _settle_interleaved(tally, unit)
        else:
            _settle_split(tally, experiment, unit)
    while tally.mirrored and next(iter(tally.mirrored.values())).first_ms <= due_ms:
        name = next(iter(tally.mirrored))
        tally.settled.add(name)
        _settle_mirrored(tally, tally.mirrored.pop(name))


def reweight(tally: Tally) -> None:
    """Shares of variants change from here on: how long one has been silent is counted anew."""
    tally.came[:] = [tally.units] * len(tally.came)


def preferred(interval: Interval) -> Interval:
    """A preference from 0 to 1 as one from -1 (the control) to 1 (the treatment)."""
    return Interval(*(2 * value - 1 for value in (interval.estimate, interval.low, interval.high)))


def _expose(tally: Tally, experiment: Experiment, event: ExperimentEvent, exposure: Exposure) -> None:
    arm = tally.arms[exposure.variant]
    _count_answer(arm, exposure.latency_ms, failed=exposure.failed)
    arm.empty += exposure.empty
    arm.partial += exposure.partial
    if event.unit not in tally.settled:
        unit = tally.open.get(event.unit)
        if unit is None and tally.units < MOST_UNITS and len(exposure.shares) == len(tally.arms):
            unit = OpenUnit(event.at_ms, exposure.variant, exposure.shares, {})
            tally.open[event.unit] = unit
            if experiment.kind == "split":
                tally.ratio.add(exposure.variant, exposure.shares)
        if unit is not None:
            unit.expose(exposure, experiment.slow_ms)
    tally.came[exposure.variant] = tally.units


def _hear(tally: Tally, name: str, outcome: Outcome) -> None:
    unit = tally.open.get(name)
    if unit is None or not unit.hear(outcome):
        return
    arm = tally.arms[unit.variant if outcome.team not in (0, 1) else outcome.team]
    if outcome.kind == "click":
        arm.clicks += 1
    elif outcome.positive:
        arm.yes += 1
    else:
        arm.no += 1


def _mirror(tally: Tally, experiment: Experiment, event: ExperimentEvent, mirrored: Mirrored) -> None:
    control, shadow = tally.arms
    _count_answer(control, mirrored.latency_ms, failed=False)
    _count_answer(shadow, mirrored.shadow_ms, failed=mirrored.overlap is None)
    if event.unit in tally.settled:
        return
    unit = tally.mirrored.get(event.unit)
    if unit is None:
        if tally.units >= MOST_UNITS:
            return
        unit = tally.mirrored[event.unit] = MirrorUnit(event.at_ms)
    if unit.n < _MOST_MIRRORED:
        unit.n += 1
        unit.slower += (mirrored.shadow_ms > experiment.slow_ms) - (mirrored.latency_ms > experiment.slow_ms)
        if mirrored.overlap is None:
            unit.failed += 1
        else:
            unit.compared += 1
            unit.overlap += mirrored.overlap
    tally.came[:] = [tally.units] * 2


def _count_answer(arm: ArmCounts, latency_ms: float, *, failed: bool) -> None:
    arm.impressions += 1
    arm.failed += failed
    place = next((i for i, edge in enumerate(LATENCY_EDGES_MS) if latency_ms <= edge), len(LATENCY_EDGES_MS))
    arm.latency_counts[place] += 1


def _settle_split(tally: Tally, experiment: Experiment, unit: OpenUnit) -> None:
    measures = unit.measures()
    for index in range(1, len(tally.arms)):
        p = chance(unit.shares, index)
        if unit.variant not in (0, index) or not 0 < p < 1:
            continue
        for sequences in (tally.effects[index - 1], tally.guards[index - 1]):
            _add(sequences, measures, treated=unit.variant == index, probability=p)
        metric = tally.effects[index - 1][experiment.metric]
        tally.tracks[index - 1].add(_point(tally, metric.n_control + metric.n_treatment, metric.interval))


def _add(
    sequences: Mapping[Measure, DifferenceSequence],
    measures: Mapping[Measure, float],
    *,
    treated: bool,
    probability: float,
) -> None:
    for measure, sequence in sequences.items():
        sequence.add(measures[measure], treated=treated, probability=probability)


def _settle_interleaved(tally: Tally, unit: OpenUnit) -> None:
    tally.preference.add(unit.preference())
    tally.preference_guard.add(unit.preference())
    tally.tracks[0].add(_point(tally, tally.preference.n, preferred(tally.preference.interval)))


def _settle_mirrored(tally: Tally, unit: MirrorUnit) -> None:
    for arm in tally.arms:
        arm.settled += 1
    tally.paired["errors"].add((1 + unit.failed / unit.n) / 2)
    tally.paired["latency"].add((1 + unit.slower / unit.n) / 2)
    if unit.compared:
        tally.overlap.add(unit.overlap / unit.compared)
        tally.tracks[0].add(_point(tally, tally.overlap.n, tally.overlap.interval))


def _point(tally: Tally, units: int, interval: Interval) -> Point:
    return Point(tally.last_ms, units, interval.estimate, interval.low, interval.high)
