"""What happened to the requests of an experiment (topic `experiment_events`, one partition: one order for all).

Every gateway tells what it did and reads what all did, so that each knows the same numbers. A unit is named by a
hash of its id and the experiment's salt: the ids themselves never leave the gateway.
"""

from typing import ClassVar, Literal

import msgspec

from contracts.codec import Message

FeedbackKind = Literal["click", "relevant", "answer"]


class Exposure(msgspec.Struct, frozen=True, kw_only=True, tag="exposure"):
    """A request was answered by a variant, or failed.

    Args:
        variant: index of the variant; of an interleaved list 0.
        shares: of all variants when the unit was assigned.
        failed: it got no answer, or another model than the variant's had to stand in.
        partial: not all shards answered, or a half of the query was missing.
    """

    impression: str
    variant: int
    shares: tuple[float, ...]
    latency_ms: float
    failed: bool = False
    empty: bool = False
    partial: bool = False


class Outcome(msgspec.Struct, frozen=True, kw_only=True, tag="outcome"):
    """Somebody said something about an impression.

    Args:
        positive: a click always is.
        team: in an interleaved list the variant whose hit was clicked, else None.
    """

    impression: str
    kind: FeedbackKind
    positive: bool
    team: int | None = None


class Mirrored(msgspec.Struct, frozen=True, kw_only=True, tag="mirrored"):
    """A question was put to the shadow too.

    Args:
        overlap: share of the answer's hits that the shadow found too, None when it failed.
        latency_ms, shadow_ms: of the answer and of the shadow, which runs beside other work and has time.
    """

    overlap: float | None
    latency_ms: float
    shadow_ms: float


class ExperimentEvent(Message, frozen=True, kw_only=True):
    """One event (key = unit)."""

    WIRE: ClassVar[Literal["json", "msgpack"]] = "msgpack"

    experiment: str
    run: int
    unit: str
    at_ms: int
    what: Exposure | Outcome | Mirrored
