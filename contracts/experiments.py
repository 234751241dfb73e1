"""Experiments on retrieval: variants, who gets which, what is watched (topic `experiments`, one record a version).

What may follow what is in `contracts.experiment_life`; what happened to requests in `contracts.experiment_events`.
"""

from collections.abc import Sequence
from typing import Literal, get_args

import msgspec

from contracts.codec import Message

ExperimentKind = Literal["split", "interleave", "shadow"]
Unit = Literal["user", "session", "request"]
Audience = Literal["ordinary", "high-value", "all"]
EncoderVariant = Literal["full", "distilled"]
Reranker = Literal["score", "spread"]
ExperimentState = Literal["draft", "running", "stopped", "rolled_back"]
Action = Literal["put", "start", "stop", "roll_back"]
Measure = Literal["clicks", "relevance", "success", "latency", "errors", "zero_results", "partial"]
"""What a unit's requests gave, each from 0 to 1; see `gateway.core.observation`."""

MEASURES: tuple[Measure, ...] = get_args(Measure)
# Of these more is worse.
HARMS: frozenset[Measure] = frozenset({"latency", "errors", "zero_results", "partial"})
FEEDBACK_MEASURES: frozenset[Measure] = frozenset({"clicks", "relevance", "success"})


class RankingWeights(msgspec.Struct, frozen=True, kw_only=True):
    """Ranking weights of a variant; see `contracts.joint.Weights`."""

    text_text: float
    text_image: float
    image_image: float
    lexical: float


class Changes(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a variant does otherwise than the gateway would; None leaves it as it is.

    Args:
        encoder: models for the pictures of queries.
        generation: name of the index generation that is searched.
        weights: for requests that bring none.
        reranker: what orders the best hits anew; "score" is the order by exact joint score.
    """

    encoder: EncoderVariant | None = None
    generation: str | None = None
    weights: RankingWeights | None = None
    reranker: Reranker | None = None

    @property
    def names(self) -> frozenset[str]:
        """Names of what is changed."""
        return frozenset(name for name in self.__struct_fields__ if getattr(self, name) is not None)


class Variant(msgspec.Struct, frozen=True, kw_only=True):
    """One way to answer. Weights count in relation to those of the other variants; 0 takes no new units."""

    name: str
    weight: float = 1.0
    changes: Changes = Changes()


class Guardrail(msgspec.Struct, frozen=True, kw_only=True):
    """A variant is rolled back once it is certainly worse than the control in `measure` by more than `margin`."""

    measure: Measure
    margin: float = 0.0


class Experiment(Message, frozen=True, kw_only=True):
    """One version of an experiment. The first variant is the control.

    Args:
        kind: "split": each unit gets one variant. "interleave": two rankings are drawn into one list, and clicks
            say which one was preferred. "shadow": the control answers, and the same question is put to the other
            variant behind the answer.
        unit: who stays with a variant: the X-User-Id or X-Session-Id header, or each request for itself.
        salt: mixed into the hash of a unit, so that experiments divide units independently of each other.
        traffic: share of units that take part at all, above 0 and up to 1.
        audience: which traffic tier takes part.
        metric: the measure that the experiment is about.
        slow_ms: a search that takes longer counts as slow in the measure "latency".
        window_s: so long after its first request a unit's outcome is settled: one observation a unit.
        patience_s: so long may the numbers that guardrails need be missing before that counts as failure.
        enough_units: with so many units and still no feedback at all, feedback counts as missing.
        alpha: probability of calling a difference of the metric where there is none, however often one looks.
        run: counts the starts; numbers of different runs are never added up.
        started_ms, started_shares: Unix time in ms of the last start, and the shares of all variants then.
        action, by, at_ms, why: what made this version, who, when, and for what reason.
    """

    name: str
    kind: ExperimentKind
    unit: Unit
    salt: str
    variants: tuple[Variant, ...]
    traffic: float = 1.0
    audience: Audience = "ordinary"
    metric: Measure = "success"
    guardrails: tuple[Guardrail, ...] = ()
    slow_ms: float = 150.0
    window_s: float = 1800.0
    patience_s: float = 300.0
    enough_units: int = 200
    alpha: float = 0.05
    state: ExperimentState = "draft"
    version: int = 1
    run: int = 0
    started_ms: int | None = None
    started_shares: tuple[float, ...] = ()
    action: Action = "put"
    by: str = ""
    at_ms: int = 0
    why: str = ""

    @property
    def control(self) -> Variant:
        """The variant that the others are compared with."""
        return self.variants[0]

    @property
    def treatments(self) -> tuple[Variant, ...]:
        """All variants but the control."""
        return self.variants[1:]

    @property
    def shares(self) -> tuple[float, ...]:
        """Share of each variant among the units that take part; they sum to 1."""
        total = sum(variant.weight for variant in self.variants)
        return tuple(variant.weight / total for variant in self.variants)

    @property
    def claims(self) -> frozenset[str]:
        """What no other running experiment may change at the same time."""
        if self.kind == "shadow":
            return frozenset()
        changed = frozenset[str]().union(*(variant.changes.names for variant in self.variants))
        return changed | {"ranking"} if self.kind == "interleave" else changed

    def variant(self, name: str) -> Variant | None:
        """The variant of that name."""
        return next((variant for variant in self.variants if variant.name == name), None)


def chance(shares: Sequence[float], variant: int) -> float:
    """Probability that a unit is in this variant, given that it is in it or in the control; 0 for neither."""
    both = shares[0] + shares[variant]
    return shares[variant] / both if both > 0 else 0.0


def record_key(experiment: Experiment, nonce: str) -> str:
    """Key of a version's record. No two are alike, so that compaction keeps every version: they are the audit log.

    Two writers may write the same version at once: the first in the log counts (`contracts.experiment_life`).
    """
    return f"{experiment.name}/{experiment.version}/{nonce}"
