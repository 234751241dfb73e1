"""Runs of simulated people through the whole of the counting, with events as gateways write them."""

from collections.abc import Sequence
from random import Random
from typing import Any

import pytest

from contracts.experiment_events import ExperimentEvent, Exposure, Mirrored, Outcome
from contracts.experiments import Experiment, Guardrail
from gateway.core.assignment import assigned_variant, unit_hash
from gateway.core.counting import count, preferred, settle
from gateway.core.guardrails import violation
from gateway.core.interleaving import team_draft
from gateway.core.tally import Tally, new_tally
from tests.gateway.experimenting import SCORE_OR_SPREAD, event, exposure, running

MINUTE_MS = 60_000
GUARDED = tuple(Guardrail(measure=measure) for measure in ("errors", "latency", "clicks"))


def people(
    experiment: Experiment,
    n: int,
    *,
    clicks: Sequence[float] = (0.3, 0.3),
    fails: Sequence[float] = (0.01, 0.01),
    slow: Sequence[float] = (0.05, 0.05),
    lost: float = 0.0,
    seed: int = 1,
) -> list[ExperimentEvent]:
    """What n people do who ask a few times each, one after the other.

    Args:
        clicks, fails, slow: how probable these are, by variant.
        lost: share of the treatment's exposures that are never told.
    """
    rng, told = Random(seed), []
    for person in range(n):
        unit_id = f"person-{seed}-{person}"
        variant, unit = assigned_variant(experiment, unit_id), unit_hash(experiment, unit_id)
        # People differ: each has a leaning of their own, so that their requests resemble each other.
        leaning = rng.choice((0.5, 1.5))
        for request in range(rng.choice((1, 1, 2, 5))):
            at_ms = person * MINUTE_MS + request * 1000
            name = f"{unit_id}-{request}"
            shown = exposure(
                experiment,
                variant,
                name,
                latency_ms=400.0 if rng.random() < slow[variant] else 30.0,
                failed=rng.random() < fails[variant],
            )
            if variant == 1 and rng.random() < lost:
                continue
            told.append(event(experiment, unit, shown, at_ms=at_ms))
            if rng.random() < leaning * clicks[variant]:
                clicked = Outcome(impression=name, kind="click", positive=True)
                told.append(event(experiment, unit, clicked, at_ms=at_ms + 500))
    return told


def counted(experiment: Experiment, events: Sequence[ExperimentEvent]) -> tuple[Tally, str | None]:
    """The numbers, looked at after each event up to the first reason for a rollback."""
    tally = new_tally(experiment)
    for one in events:
        count(tally, experiment, one)
        if reason := violation(experiment, tally):
            return tally, reason
    return tally, None


def two_alike(seed: int) -> tuple[bool, bool]:
    """Whether an A/A experiment was called a difference, and whether it was rolled back."""
    experiment = running(metric="clicks", guardrails=GUARDED, salt=f"salt {seed}")
    tally, reason = counted(experiment, people(experiment, 250, seed=seed))
    interval = tally.effects[0]["clicks"].interval
    return not interval.low <= 0 <= interval.high, reason is not None


def test_variants_that_are_alike_are_called_so() -> None:
    runs = [two_alike(seed) for seed in range(40)]
    assert sum(called for called, _ in runs) <= 2
    assert sum(rolled_back for _, rolled_back in runs) <= 2


@pytest.mark.soak
def test_over_many_experiments_false_calls_and_rollbacks_are_as_rare_as_promised() -> None:
    runs = [two_alike(seed) for seed in range(1000)]
    called, rolled_back = (sum(each) / len(runs) for each in zip(*runs, strict=True))
    assert called <= 0.05
    assert rolled_back <= 0.05


@pytest.mark.parametrize(
    ("worse", "phrase"),
    [
        ({"fails": (0.01, 0.25)}, "fails more often"),
        ({"slow": (0.05, 0.5)}, "is slow more often"),
        ({"clicks": (0.5, 0.1)}, "is clicked less"),
    ],
    ids=["errors", "latency", "relevance"],
)
def test_a_variant_that_is_worse_is_rolled_back(worse: dict[str, Any], phrase: str) -> None:
    experiment = running(metric="clicks", guardrails=GUARDED)
    tally, reason = counted(experiment, people(experiment, 3000, **worse))
    assert reason is not None
    assert phrase in reason
    assert tally.units < 3000


def test_a_difference_within_the_margin_is_borne() -> None:
    experiment = running(guardrails=(Guardrail(measure="errors", margin=0.4),))
    assert counted(experiment, people(experiment, 1500, fails=(0.01, 0.25)))[1] is None


def test_a_variant_that_falls_silent_is_rolled_back() -> None:
    experiment = running(guardrails=(Guardrail(measure="errors"),))
    reason = counted(experiment, people(experiment, 400, lost=1.0))[1]
    assert reason is not None
    assert "tells of no request" in reason


def test_guarded_feedback_that_nobody_gives_is_a_failure() -> None:
    experiment = running(guardrails=(Guardrail(measure="clicks", margin=0.5),))
    reason = counted(experiment, people(experiment, 600, clicks=(0.0, 0.0)))[1]
    assert reason is not None
    assert "none gave any" in reason


def test_units_that_get_lost_show_in_the_sample_ratio() -> None:
    experiment = running()
    assert counted(experiment, people(experiment, 2000))[0].ratio.holds
    assert not counted(experiment, people(experiment, 2000, lost=0.6))[0].ratio.holds


def test_a_unit_counts_once_however_often_it_asks() -> None:
    experiment = running(metric="clicks")
    tally = new_tally(experiment)
    for n in range(20):
        count(tally, experiment, event(experiment, "u", exposure(experiment, 1, f"i{n}"), at_ms=n))
    settle(tally, experiment, int(experiment.window_s * 1000) + 1)
    assert (tally.units, tally.arms[1].impressions, tally.arms[1].settled) == (1, 20, 1)
    assert tally.effects[0]["clicks"].n_treatment == 1


def test_what_comes_after_the_window_does_not_count() -> None:
    experiment = running(metric="clicks")
    tally = new_tally(experiment)
    count(tally, experiment, event(experiment, "u", exposure(experiment, 1, "i"), at_ms=0))
    late_ms = int(experiment.window_s * 1000) + 1
    late = Outcome(impression="i", kind="click", positive=True)
    count(tally, experiment, event(experiment, "u", late, at_ms=late_ms))
    count(tally, experiment, event(experiment, "u", exposure(experiment, 1, "j"), at_ms=late_ms + 1))
    assert (tally.arms[1].clicks, tally.units) == (0, 1)
    assert tally.effects[0]["clicks"].total_treatment == 0


def test_events_of_a_variant_that_does_not_exist_change_nothing() -> None:
    experiment = running()
    tally = new_tally(experiment)
    count(tally, experiment, event(experiment, "u", exposure(experiment, 7, "i")))
    assert tally.units == 0


def interleaved(favours: float, n: int) -> Tally:
    """People who read an interleaved list from above; the treatment's hits are clicked `favours` as often."""
    experiment = running(kind="interleave", variants=SCORE_OR_SPREAD, metric="clicks")
    tally, rng = new_tally(experiment), Random(3)
    for person in range(n):
        drafted = team_draft((range(10), range(5, 15)), 5, int, rng)
        at_ms = person * MINUTE_MS
        count(
            tally, experiment, event(experiment, f"u{person}", exposure(experiment, 0, f"i{person}"), at_ms=at_ms)
        )
        for place, (_, team) in enumerate(drafted):
            # Position bias: the lower a hit stands, the less it is looked at.
            if rng.random() < 0.5 / (place + 1) * (favours if team == 1 else 1.0):
                click = Outcome(impression=f"i{person}", kind="click", positive=True, team=team)
                count(tally, experiment, event(experiment, f"u{person}", click, at_ms=at_ms + 1))
    settle(tally, experiment, n * MINUTE_MS + int(experiment.window_s * 1000))
    return tally


def test_interleaving_prefers_neither_of_two_that_are_as_good() -> None:
    interval = preferred(interleaved(1.0, 1500).preference.interval)
    assert interval.low <= 0 <= interval.high


def test_interleaving_finds_the_better_ranking() -> None:
    assert preferred(interleaved(1.8, 1500).preference.interval).low > 0
    assert preferred(interleaved(0.4, 1500).preference.interval).high < 0


def test_a_shadow_that_fails_is_rolled_back() -> None:
    guardrails = (Guardrail(measure="errors", margin=0.05),)
    experiment = running(kind="shadow", variants=SCORE_OR_SPREAD, guardrails=guardrails)
    told = [
        event(
            experiment,
            f"u{n}",
            Mirrored(overlap=None if n % 3 == 0 else 0.8, latency_ms=30.0, shadow_ms=45.0),
            at_ms=n * MINUTE_MS,
        )
        for n in range(400)
    ]
    tally, reason = counted(experiment, told)
    assert reason is not None
    assert "fails more often" in reason
    assert tally.overlap.interval.low <= 0.8 <= tally.overlap.interval.high


def test_the_picture_of_a_long_run_has_a_bounded_number_of_points() -> None:
    experiment = running(metric="clicks", window_s=1.0)
    tally = counted(experiment, people(experiment, 2000))[0]
    points = tally.tracks[0].points
    assert 100 < len(points) <= 240
    assert [point.at_ms for point in points] == sorted(point.at_ms for point in points)


def test_the_same_log_gives_the_same_numbers() -> None:
    experiment = running(metric="clicks")
    events = people(experiment, 200)
    assert counted(experiment, events)[0] == counted(experiment, events)[0]


def test_an_exposure_without_shares_of_all_variants_is_no_unit() -> None:
    experiment = running()
    tally = new_tally(experiment)
    odd = Exposure(impression="i", variant=1, shares=(1.0,), latency_ms=1.0)
    count(tally, experiment, event(experiment, "u", odd))
    assert tally.units == 0
