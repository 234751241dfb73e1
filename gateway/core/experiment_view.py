"""An experiment and its numbers as the API shows them. Pure."""

from collections.abc import Iterator, Sequence

import msgspec

from contracts.experiments import HARMS, Experiment, Measure
from contracts.experiments_view import (
    ArmView,
    ChangeView,
    EffectView,
    ExperimentView,
    GuardrailView,
    OverlapView,
    RatioView,
    TrackView,
    Verdict,
)
from gateway.core.confidence import Interval
from gateway.core.counting import preferred
from gateway.core.tally import LATENCY_EDGES_MS, ArmCounts, Tally


def experiment_view(
    history: Sequence[Experiment], tally: Tally, *, complete: bool, whole: bool = True
) -> ExperimentView:
    """The newest version, its run's numbers, and what happened to it.

    Args:
        whole: with the intervals over time and the history.
    """
    experiment = history[-1]
    effects = list(_effects(experiment, tally))
    ended = experiment.state in {"stopped", "rolled_back"}
    return ExperimentView(
        name=experiment.name,
        kind=experiment.kind,
        state=experiment.state,
        version=experiment.version,
        run=experiment.run,
        unit=experiment.unit,
        audience=experiment.audience,
        traffic=experiment.traffic,
        metric=experiment.metric,
        window_s=experiment.window_s,
        slow_ms=experiment.slow_ms,
        alpha=experiment.alpha,
        guardrails=[GuardrailView(one.measure, one.margin) for one in experiment.guardrails],
        started_ms=experiment.started_ms,
        ended_ms=experiment.at_ms if ended else None,
        why=experiment.why,
        summary=_summary(experiment, tally, effects),
        waiting=len(tally.open) + len(tally.mirrored),
        complete=complete,
        variants=_arms(experiment, tally),
        effects=effects,
        ratio=RatioView(list(tally.ratio.counts), tally.ratio.p, tally.ratio.holds)
        if experiment.kind == "split"
        else None,
        overlap=OverlapView(*_bounds(tally.overlap.interval), tally.overlap.n)
        if experiment.kind == "shadow"
        else None,
        tracks=[
            TrackView(variant.name, [(p.at_ms, p.units, p.estimate, p.low, p.high) for p in track.points])
            for variant, track in zip(experiment.treatments, tally.tracks, strict=True)
        ]
        if whole
        else [],
        history=[_change(version) for version in history] if whole else [],
    )


def quantile_ms(counts: Sequence[int], q: float) -> float | None:
    """Upper bound of a quantile by `LATENCY_EDGES_MS`; None for no counts, or one beyond the edges."""
    wanted, passed = q * sum(counts), 0
    for edge, n in zip(LATENCY_EDGES_MS, counts, strict=False):
        passed += n
        if passed >= wanted and passed:
            return float(edge)
    return None


def verdict(measure: Measure, interval: Interval) -> Verdict:
    """Whether the treatment is certainly better or worse than the control."""
    low, high = (-interval.high, -interval.low) if measure in HARMS else (interval.low, interval.high)
    return "better" if low > 0 else "worse" if high < 0 else "undecided"


def _arms(experiment: Experiment, tally: Tally) -> list[ArmView]:
    def view(index: int) -> ArmView:
        variant, counts = experiment.variants[index], tally.arms[index]
        # An interleaved list is of both; only its clicks are told apart.
        shown: ArmCounts = tally.arms[0] if experiment.kind == "interleave" else counts
        return ArmView(
            name=variant.name,
            weight=variant.weight,
            share=experiment.shares[index],
            changes=msgspec.to_builtins(variant.changes),
            impressions=shown.impressions,
            units=shown.settled,
            failed=shown.failed,
            empty=shown.empty,
            partial=shown.partial,
            clicks=counts.clicks,
            yes=counts.yes,
            no=counts.no,
            p50_ms=quantile_ms(shown.latency_counts, 0.5),
            p95_ms=quantile_ms(shown.latency_counts, 0.95),
        )

    return [view(index) for index in range(len(experiment.variants))]


def _effects(experiment: Experiment, tally: Tally) -> Iterator[EffectView]:
    margins = {guardrail.measure: guardrail.margin for guardrail in experiment.guardrails}

    def view(variant: str, measure: Measure, interval: Interval, units: int, alpha: float) -> EffectView:
        return EffectView(
            variant=variant,
            measure=measure,
            estimate=interval.estimate,
            low=interval.low,
            high=interval.high,
            units=units,
            confidence=1 - alpha,
            verdict=verdict(measure, interval),
            is_metric=measure == experiment.metric and experiment.kind != "shadow",
            margin=margins.get(measure),
        )

    if experiment.kind == "interleave":
        sequence = tally.preference
        name = experiment.variants[1].name
        yield view(name, "clicks", preferred(sequence.interval), sequence.n, sequence.alpha)
    elif experiment.kind == "shadow":
        for measure, sequence in tally.paired.items():
            name = experiment.variants[1].name
            yield view(name, measure, preferred(sequence.interval), sequence.n, sequence.alpha)
    else:
        for variant, effects, guards in zip(experiment.treatments, tally.effects, tally.guards, strict=True):
            for measure, effect in effects.items():
                # What is guarded is shown as the guardrail sees it, unless the experiment is about it.
                shown = effect if measure == experiment.metric else guards.get(measure, effect)
                units = shown.n_control + shown.n_treatment
                yield view(variant.name, measure, shown.interval, units, shown.looks.alpha)


def _summary(experiment: Experiment, tally: Tally, effects: Sequence[EffectView]) -> str:
    """One sentence for people."""
    if experiment.run == 0:
        return "Not started yet."
    if experiment.state == "rolled_back":
        return f"Rolled back: {experiment.why}"
    if not tally.ratio.holds:
        return "Units are missing in a variant (sample ratio): do not trust any difference before you know why."
    if experiment.kind == "shadow":
        return f"Put to the shadow for {tally.overlap.n} units: nobody sees its hits."
    decided = [effect for effect in effects if effect.is_metric and effect.verdict != "undecided"]
    if not decided:
        return f"No difference in {experiment.metric} is certain yet."
    return " ".join(
        f"'{effect.variant}' is {effect.verdict} than '{experiment.control.name}' in {effect.measure}."
        for effect in decided
    )


def _change(version: Experiment) -> ChangeView:
    return ChangeView(
        version=version.version,
        action=version.action,
        by=version.by,
        at_ms=version.at_ms,
        why=version.why,
        state=version.state,
        weights=[variant.weight for variant in version.variants],
    )


def _bounds(interval: Interval) -> tuple[float, float, float]:
    return interval.estimate, interval.low, interval.high
