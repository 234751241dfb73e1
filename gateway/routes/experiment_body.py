"""Bodies of the routes about experiments, checked field by field."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from contracts.experiments import (
    Audience,
    Changes,
    EncoderVariant,
    Experiment,
    ExperimentKind,
    Guardrail,
    Measure,
    RankingWeights,
    Reranker,
    Unit,
    Variant,
)

Weight = Annotated[float, Field(ge=-10, le=10, allow_inf_nan=False)]


class RankingWeightsBody(BaseModel):
    """Ranking weights for requests that bring none."""

    model_config = ConfigDict(extra="forbid")

    text_text: Weight
    text_image: Weight
    image_image: Weight
    lexical: Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)]


class ChangesBody(BaseModel):
    """What a variant does otherwise; nothing at all is how the gateway answers anyway."""

    model_config = ConfigDict(extra="forbid")

    encoder: EncoderVariant | None = Field(default=None, description="Models for the pictures of queries.")
    generation: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(
        default=None, description="Index generation that is searched (`trireme index generations`)."
    )
    weights: RankingWeightsBody | None = None
    reranker: Reranker | None = Field(default=None, description="Order of the best hits.")


class VariantBody(BaseModel):
    """One way to answer."""

    model_config = ConfigDict(extra="forbid")

    name: str
    weight: float = Field(default=1.0, ge=0, le=1_000_000, allow_inf_nan=False, description="Beside the others'.")
    changes: ChangesBody = ChangesBody()


class GuardrailBody(BaseModel):
    """A measure in which no variant may be certainly worse than the control by more than the margin."""

    model_config = ConfigDict(extra="forbid")

    measure: Measure
    margin: float = Field(default=0.0, ge=0, le=1, allow_inf_nan=False)


class ExperimentBody(BaseModel):
    """A definition. The first variant is the control."""

    model_config = ConfigDict(extra="forbid")

    variants: Annotated[tuple[VariantBody, ...], Field(min_length=2, max_length=8)]
    kind: ExperimentKind = "split"
    unit: Unit = Field(default="user", description="Who keeps a variant: X-User-Id, X-Session-Id, or nobody.")
    traffic: float = Field(default=1.0, gt=0, le=1, description="Share of units that take part.")
    audience: Audience = "ordinary"
    metric: Measure = "success"
    guardrails: Annotated[tuple[GuardrailBody, ...], Field(max_length=8)] = ()
    slow_ms: float = Field(default=150.0, gt=0, le=10_000, description="A search that takes longer is slow.")
    window_s: float = Field(default=1800.0, ge=1, le=86_400, description="When a unit's outcome is settled.")
    patience_s: float = Field(default=300.0, ge=1, le=86_400, description="How long numbers may be missing.")
    enough_units: int = Field(default=200, ge=1, le=1_000_000, description="Of so many some give feedback.")
    alpha: float = Field(default=0.05, gt=0, le=0.5, description="Probability of a false call, at any time.")
    version: int | None = Field(default=None, ge=0, lt=2**31, description="The one that was read.")
    why: str = Field(default="", max_length=500, description="For the audit log.")

    def experiment(self, tenant: str, name: str) -> Experiment:
        """The definition without what the gateway fills in."""
        return Experiment(
            tenant=tenant,
            name=name,
            kind=self.kind,
            unit=self.unit,
            salt="",
            variants=tuple(_variant(variant) for variant in self.variants),
            traffic=self.traffic,
            audience=self.audience,
            metric=self.metric,
            guardrails=tuple(Guardrail(measure=one.measure, margin=one.margin) for one in self.guardrails),
            slow_ms=self.slow_ms,
            window_s=self.window_s,
            patience_s=self.patience_s,
            enough_units=self.enough_units,
            alpha=self.alpha,
        )


class ReasonBody(BaseModel):
    """Why something is done, for the audit log."""

    model_config = ConfigDict(extra="forbid")

    why: str = Field(default="", max_length=500)


def _variant(body: VariantBody) -> Variant:
    weights = body.changes.weights
    return Variant(
        name=body.name,
        weight=body.weight,
        changes=Changes(
            encoder=body.changes.encoder,
            generation=body.changes.generation,
            weights=RankingWeights(**weights.model_dump()) if weights else None,
            reranker=body.changes.reranker,
        ),
    )
