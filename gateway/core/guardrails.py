"""When a running experiment ends by itself: a variant is certainly worse, or its numbers are missing. Pure."""

from collections.abc import Iterator
from math import log

from contracts.experiments import FEEDBACK_MEASURES, HARMS, Experiment, Guardrail, Measure
from gateway.core.confidence import Interval
from gateway.core.counting import preferred
from gateway.core.tally import Tally

# So improbable must it be that a variant was left out by chance, before its silence counts as failure.
_BY_CHANCE = 1e-9
_PHRASES: dict[Measure, str] = {
    "clicks": "is clicked less",
    "relevance": "is judged less relevant",
    "success": "succeeds less often",
    "latency": "is slow more often",
    "errors": "fails more often",
    "zero_results": "finds nothing more often",
    "partial": "answers in part more often",
}


def violation(experiment: Experiment, tally: Tally) -> str | None:
    """Why the experiment has to be rolled back, as a sentence; None while it may go on.

    It has to be when the interval of a guarded measure, which holds at all times at once, lies beyond the margin;
    when a variant no longer tells of any request although it should; and when feedback is guarded and nobody gives
    any. Without guardrails nothing is rolled back.
    """
    for guardrail in experiment.guardrails:
        for name, interval in _guarded(experiment, tally, guardrail.measure):
            worse = interval.low if guardrail.measure in HARMS else -interval.high
            if worse > guardrail.margin:
                return (
                    f"The variant '{name}' {_PHRASES[guardrail.measure]} than '{experiment.control.name}': "
                    f"by {worse:.3f} at least, and {guardrail.margin:g} is allowed."
                )
    return _missing(experiment, tally) if experiment.guardrails else None


def guarded(experiment: Experiment, tally: Tally) -> Iterator[tuple[str, Guardrail, Interval]]:
    """Variant, guardrail and where its difference from the control lies."""
    for guardrail in experiment.guardrails:
        for name, interval in _guarded(experiment, tally, guardrail.measure):
            yield name, guardrail, interval


def _guarded(experiment: Experiment, tally: Tally, measure: Measure) -> Iterator[tuple[str, Interval]]:
    if experiment.kind == "interleave":
        yield experiment.variants[1].name, preferred(tally.preference_guard.interval)
    elif experiment.kind == "shadow":
        yield experiment.variants[1].name, preferred(tally.paired[measure].interval)
    else:
        for variant, sequences in zip(experiment.treatments, tally.guards, strict=True):
            yield variant.name, sequences[measure].interval


def _missing(experiment: Experiment, tally: Tally) -> str | None:
    for index, variant in enumerate(experiment.variants):
        # Of so many units since its last one, each had this chance to come to the variant.
        share = experiment.shares[index] if experiment.kind == "split" else 1.0
        missed = tally.units - tally.came[index]
        if 0 < share < 1 and missed * log(1 - share) < log(_BY_CHANCE):
            return f"The variant '{variant.name}' tells of no request, while {missed} units came to the others."
    wants_feedback = any(guardrail.measure in FEEDBACK_MEASURES for guardrail in experiment.guardrails)
    settled = sum(arm.settled for arm in tally.arms)
    silent = not any(arm.clicks or arm.yes or arm.no for arm in tally.arms)
    if wants_feedback and silent and settled >= experiment.enough_units:
        return f"Feedback is guarded, and of {settled} units none gave any."
    return None
