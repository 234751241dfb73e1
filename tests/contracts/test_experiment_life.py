import msgspec
import pytest

from contracts.codec import decode, encode
from contracts.errors import Conflict, InvalidInput
from contracts.experiment_life import ended, fold, put, started
from contracts.experiments import Changes, Experiment, Guardrail, Variant
from tests.gateway.experimenting import FULL_OR_DISTILLED, SCORE_OR_SPREAD, draft, reweighted, running


def test_a_record_is_read_back_as_it_was_written() -> None:
    experiment = running(guardrails=(Guardrail(measure="errors", margin=0.01),))
    assert decode(Experiment, encode(experiment)) == experiment


@pytest.mark.parametrize(
    "changes",
    [
        {"variants": FULL_OR_DISTILLED[:1]},
        {"variants": (FULL_OR_DISTILLED[0], FULL_OR_DISTILLED[0])},
        {"variants": (Variant(name="a"), Variant(name="b"))},
        {"variants": (Variant(name="a", weight=0.0), Variant(name="b", changes=Changes(encoder="full")))},
        {"kind": "interleave", "variants": SCORE_OR_SPREAD},
        {
            "kind": "interleave",
            "variants": SCORE_OR_SPREAD,
            "metric": "clicks",
            "guardrails": (Guardrail(measure="errors"),),
        },
        {"metric": "latency"},
        {"guardrails": (Guardrail(measure="errors"), Guardrail(measure="errors"))},
        {"kind": "shadow", "variants": SCORE_OR_SPREAD, "guardrails": (Guardrail(measure="clicks"),)},
        {"kind": "shadow"},
        {"name": "With Space"},
    ],
    ids=lambda changes: ", ".join(changes),
)
def test_a_definition_that_makes_no_sense_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        draft(**changes)


def test_of_two_writers_of_the_same_version_the_first_in_the_log_counts() -> None:
    first = draft()
    by_ann = started(first, (), by="ann", at_ms=5, why="")
    by_bob = put(first, draft(unit="session"), by="bob", at_ms=4, why="")
    history = fold([first, by_ann, by_bob])["towers"]
    assert history == [first, by_ann]


def test_a_running_experiment_changes_its_weights_and_nothing_else() -> None:
    known = running()
    more = put(known, reweighted(known, 1.0, 1.0), by="ann", at_ms=2, why="")
    assert (more.state, more.run, more.version) == ("running", 1, known.version + 1)
    with pytest.raises(Conflict):
        put(known, draft(unit="session"), by="ann", at_ms=2, why="")


def test_no_running_variant_becomes_rarer_than_its_intervals_allow() -> None:
    known = running()
    with pytest.raises(Conflict):
        put(known, reweighted(known, 9.0, 1.0), by="ann", at_ms=2, why="")
    third = Variant(name="spread", changes=Changes(reranker="spread"))
    known = running(variants=(*FULL_OR_DISTILLED, third))
    off = put(known, reweighted(known, 1.0, 1.0, 0.0), by="ann", at_ms=2, why="")
    assert off.shares == (0.5, 0.5, 0.0)


def test_two_experiments_that_change_the_same_do_not_run_together() -> None:
    with pytest.raises(Conflict, match="encoder"):
        started(draft("second"), [running("first")], by="ann", at_ms=2, why="")
    other = draft("third", variants=SCORE_OR_SPREAD)
    assert started(other, [running("first")], by="ann", at_ms=2, why="").state == "running"


def test_a_shadow_gets_in_nobodys_way() -> None:
    shadow = draft("shadow", kind="shadow", variants=SCORE_OR_SPREAD)
    assert started(shadow, [running("first")], by="ann", at_ms=2, why="").state == "running"


def test_another_start_is_another_run() -> None:
    stopped = ended(running(), "stopped", by="ann", at_ms=3, why="enough")
    assert (stopped.action, stopped.why) == ("stop", "enough")
    assert started(stopped, (), by="ann", at_ms=4, why="").run == 2
    with pytest.raises(Conflict):
        ended(stopped, "rolled_back", by="gateway", at_ms=5, why="")


def test_who_writes_from_what_is_out_of_date_is_told() -> None:
    known = draft()
    newer = put(
        known, msgspec.structs.replace(known, traffic=0.5), by="ann", at_ms=2, why="", version=known.version
    )
    with pytest.raises(Conflict, match="meanwhile"):
        put(newer, known, by="bob", at_ms=3, why="", version=known.version)
