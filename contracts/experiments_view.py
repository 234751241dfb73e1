"""Shapes of the HTTP API about experiments, shared by the gateway, the typed client and the page."""

from dataclasses import dataclass, field
from typing import Any, Literal

from contracts.experiments import (
    Action,
    Audience,
    ExperimentKind,
    ExperimentState,
    Measure,
    Unit,
)

Verdict = Literal["better", "worse", "undecided"]


@dataclass(frozen=True, slots=True)
class ExperimentPart:
    """A search's part in an experiment. `forced`: asked for by X-Experiment, so that it does not count."""

    experiment: str
    variant: str
    kind: ExperimentKind
    forced: bool = False


@dataclass(frozen=True, slots=True)
class GuardrailView:
    """A measure in which no variant may be certainly worse than the control by more than the margin."""

    measure: Measure
    margin: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmView:
    """One variant and its plain counts.

    Args:
        changes: what it does otherwise than the gateway would: encoder, generation, weights, reranker.
        share: of new units, from 0 to 1.
        units: those whose outcome is settled.
        p50_ms, p95_ms: upper bounds of the latency's quantiles; None while there is none, or beyond the scale.
    """

    name: str
    weight: float
    share: float
    changes: dict[str, Any]
    impressions: int = 0
    units: int = 0
    failed: int = 0
    empty: int = 0
    partial: int = 0
    clicks: int = 0
    yes: int = 0
    no: int = 0
    p50_ms: float | None = None
    p95_ms: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectView:
    """How much more a treatment gives of a measure than the control: between `low` and `high` at all times.

    Args:
        confidence: that the truth has never been outside, from 0 to 1.
        margin: of the guardrail, None where the measure is not guarded.
        verdict: for the metric, and for measures that are looked at only.
    """

    variant: str
    measure: Measure
    estimate: float
    low: float
    high: float
    units: int
    confidence: float
    verdict: Verdict
    is_metric: bool = False
    margin: float | None = None


@dataclass(frozen=True, slots=True)
class TrackView:
    """The metric's interval over time: [Unix ms, units, estimate, low, high] each."""

    variant: str
    points: list[tuple[int, int, float, float, float]]


@dataclass(frozen=True, slots=True)
class RatioView:
    """Units by variant against their shares; `holds` is false once that cannot be chance (p below 0.001)."""

    counts: list[int]
    p: float
    holds: bool


@dataclass(frozen=True, slots=True)
class OverlapView:
    """Share of an answer's hits that the shadow finds too."""

    estimate: float
    low: float
    high: float
    units: int


@dataclass(frozen=True, slots=True)
class ChangeView:
    """One entry of the audit log."""

    version: int
    action: Action
    by: str
    at_ms: int
    why: str
    state: ExperimentState
    weights: list[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentView:
    """`GET /v1/experiments/{name}`; the list leaves out tracks and history.

    Args:
        waiting: units whose outcome is not settled yet.
        complete: false until this gateway has read the whole log; numbers are too low until then.
    """

    name: str
    kind: ExperimentKind
    state: ExperimentState
    version: int
    run: int
    unit: Unit
    audience: Audience
    traffic: float
    metric: Measure
    window_s: float
    slow_ms: float
    alpha: float
    guardrails: list[GuardrailView]
    started_ms: int | None
    ended_ms: int | None
    why: str
    summary: str
    waiting: int
    complete: bool
    variants: list[ArmView]
    effects: list[EffectView] = field(default_factory=list)
    ratio: RatioView | None = None
    overlap: OverlapView | None = None
    tracks: list[TrackView] = field(default_factory=list)
    history: list[ChangeView] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ExperimentList:
    """`GET /v1/experiments`, running ones first."""

    experiments: list[ExperimentView]
