"""The rules of an experiment's life, as pure functions: which definitions make sense, and what may follow what."""

import re
from collections.abc import Iterable, Mapping

import msgspec

from contracts.errors import Conflict, InvalidInput
from contracts.experiments import (
    FEEDBACK_MEASURES,
    Experiment,
    ExperimentState,
    chance,
)

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,59}")
MAX_VARIANTS = 8
MAX_GUARDRAILS = 8


def fold(records: Iterable[Experiment]) -> dict[str, list[Experiment]]:
    """Every experiment's accepted versions, oldest first, from the records in the order of the log.

    Of several writers who made the same version at once, the first in the log wins; the others are void.
    """
    histories: dict[str, list[Experiment]] = {}
    for record in records:
        take(histories, record)
    return histories


def take(histories: dict[str, list[Experiment]], record: Experiment) -> bool:
    """Add one more record of the log; False when it is void."""
    history = histories.setdefault(record.name, [])
    if record.version != (history[-1].version if history else 0) + 1:
        return False
    history.append(record)
    return True


def check(experiment: Experiment) -> None:
    """Check a definition.

    Raises:
        InvalidInput: a sentence on what does not fit together.
    """
    names = [variant.name for variant in experiment.variants]
    if any(not _NAME.fullmatch(name) for name in (experiment.name, *names)):
        raise InvalidInput(
            "Names of experiments and variants are up to 60 small letters, digits, '.', '_' and '-'.", param="name"
        )
    if not 2 <= len(names) <= MAX_VARIANTS:
        raise InvalidInput(f"An experiment has 2 to {MAX_VARIANTS} variants, the control first.", param="variants")
    if len(set(names)) < len(names):
        raise InvalidInput("Two variants have the same name.", param="variants")
    if experiment.control.weight <= 0 or not any(variant.weight > 0 for variant in experiment.treatments):
        raise InvalidInput("The control and at least one other variant need a weight above 0.", param="variants")
    changes = [variant.changes for variant in experiment.variants]
    if any(changes.count(each) > 1 for each in changes):
        raise InvalidInput("Two variants change the same: there is nothing to compare.", param="variants")
    if experiment.kind != "split" and len(names) != 2:
        raise InvalidInput(
            f"An experiment of kind '{experiment.kind}' has exactly two variants.", param="variants"
        )
    if experiment.kind == "shadow" and experiment.control.changes.names:
        raise InvalidInput("A shadow's control answers as the gateway does: it changes nothing.", param="variants")
    _check_measures(experiment)


def _check_measures(experiment: Experiment) -> None:
    if experiment.metric not in FEEDBACK_MEASURES:
        raise InvalidInput("The metric is one of: clicks, relevance, success.", param="metric")
    watched = [guardrail.measure for guardrail in experiment.guardrails]
    if len(watched) > MAX_GUARDRAILS or len(set(watched)) < len(watched):
        raise InvalidInput("Each measure is guarded once.", param="guardrails")
    if experiment.kind == "interleave":
        if experiment.metric != "clicks":
            raise InvalidInput("Interleaving compares clicks: the metric must be 'clicks'.", param="metric")
        if set(watched) - {"clicks"}:
            raise InvalidInput(
                "In an interleaved list only 'clicks' can be told apart by variant.", param="guardrails"
            )
    if experiment.kind == "shadow" and set(watched) - {"errors", "latency"}:
        raise InvalidInput(
            "Nobody sees a shadow's hits: only 'errors' and 'latency' can be guarded.", param="guardrails"
        )


def put(
    known: Experiment | None, wanted: Experiment, *, by: str, at_ms: int, why: str, version: int | None = None
) -> Experiment:
    """The next version of an experiment with this definition; a running one may change its weights alone.

    Args:
        version: the version that the writer has seen, None when it does not matter.

    Raises:
        InvalidInput: the definition makes no sense.
        Conflict: somebody else changed it meanwhile, or it runs and more than weights would change.
    """
    check(wanted)
    if version is not None and version != (known.version if known else 0):
        raise Conflict(f"The experiment '{wanted.name}' was changed meanwhile: read it again.")
    made = {"action": "put", "by": by, "at_ms": at_ms, "why": why}
    if known is None:
        return msgspec.structs.replace(wanted, state="draft", version=1, run=0, started_ms=None, **made)
    if known.state == "running":
        _require_only_weights_to_change(known, wanted)
        return msgspec.structs.replace(known, variants=wanted.variants, version=known.version + 1, **made)
    # The number of the run goes on: numbers of an earlier definition are not those of the new one.
    return msgspec.structs.replace(
        wanted, state="draft", version=known.version + 1, run=known.run, started_ms=None, **made
    )


def _require_only_weights_to_change(known: Experiment, wanted: Experiment) -> None:
    def without_weights(experiment: Experiment) -> Mapping[str, object]:
        kept = (
            "kind", "unit", "salt", "traffic", "audience", "metric", "guardrails",
            "slow_ms", "window_s", "patience_s", "enough_units", "alpha",
        )  # fmt: skip
        named = tuple((variant.name, variant.changes) for variant in experiment.variants)
        return {**{name: getattr(experiment, name) for name in kept}, "variants": named}

    if without_weights(known) != without_weights(wanted):
        raise Conflict(
            f"The experiment '{known.name}' runs: only the weights of its variants can change. Stop it first."
        )
    for index in range(1, len(wanted.variants)):
        at_start, now = chance(known.started_shares, index), chance(wanted.shares, index)
        # Intervals are as wide as the rarest arm at the start demands; a rarer one would break their promise.
        if (now > 0 and min(now, 1 - now) < min(at_start, 1 - at_start) - 1e-9) or (now > 0 and at_start == 0):
            raise Conflict(
                f"While '{known.name}' runs, no variant can get a smaller share beside the control than at its "
                "start, except none at all. Stop it and start it again."
            )


def started(known: Experiment, running: Iterable[Experiment], *, by: str, at_ms: int, why: str) -> Experiment:
    """The version that starts an experiment, with numbers from zero.

    Raises:
        Conflict: it runs already, or another running experiment changes the same.
    """
    if known.state == "running":
        raise Conflict(f"The experiment '{known.name}' runs already.")
    for other in running:
        shared = sorted(known.claims & other.claims) if other.name != known.name else []
        if shared:
            raise Conflict(
                f"The running experiment '{other.name}' changes the same ({', '.join(shared)}): "
                "the two could not be told apart."
            )
    return msgspec.structs.replace(
        known,
        state="running",
        version=known.version + 1,
        run=known.run + 1,
        started_ms=at_ms,
        started_shares=known.shares,
        action="start",
        by=by,
        at_ms=at_ms,
        why=why,
    )


def ended(known: Experiment, state: ExperimentState, *, by: str, at_ms: int, why: str) -> Experiment:
    """The version that ends a running experiment: "stopped" by a person, "rolled_back" by a guardrail.

    Raises:
        Conflict: it does not run.
    """
    if known.state != "running":
        raise Conflict(f"The experiment '{known.name}' does not run.")
    return msgspec.structs.replace(
        known,
        state=state,
        version=known.version + 1,
        action="stop" if state == "stopped" else "roll_back",
        by=by,
        at_ms=at_ms,
        why=why,
    )
