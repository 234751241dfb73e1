import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.status import STATUS_STAGES, StageEvent, fold


def event(stage: Any, state: Any = "done", *, version: int = 1, **more: Any) -> StageEvent:
    return StageEvent(tenant="t", doc_id="d", version=version, stage=stage, state=state, at_ms=0, **more)


def test_a_document_whose_shard_is_done_is_indexed_and_visible() -> None:
    status = fold([event(stage) for stage in STATUS_STAGES])
    assert (status.state, status.visible_version) == ("indexed", 1)


def test_a_failed_new_version_leaves_the_old_one_visible() -> None:
    first = [event(stage) for stage in STATUS_STAGES]
    second = [
        event("door", version=2),
        event("text", "failed", version=2, cause="corrupt", reason="It is damaged."),
        event("image", "failed", version=2, cause="corrupt", reason="It is damaged."),
    ]
    status = fold([*first, *second])
    assert (status.state, status.version, status.visible_version) == ("failed", 2, 1)
    assert status.reason == "It is damaged."


def test_one_failed_half_beside_a_good_one_is_not_yet_the_end() -> None:
    status = fold([event("text", count=3), event("image", "failed", reason="No pictures could be read.")])
    assert status.state == "processing"
    indexed = fold([event("text", count=3), event("image", "failed", reason="Bad."), event("shard", revision=0)])
    assert (indexed.state, indexed.reason) == ("indexed", "Bad.")


def test_a_failed_half_beside_an_empty_one_is_a_failure() -> None:
    assert fold([event("text", count=0), event("image", "failed", reason="Damaged.")]).state == "failed"


@pytest.mark.parametrize(
    "other", [[], [event("image", "running")], [event("image", "retrying", reason="Triton.")]]
)
def test_a_failed_half_is_not_the_end_while_the_other_has_not_ended(other: list[StageEvent]) -> None:
    assert fold([event("text", "failed", reason="Damaged."), *other]).state == "processing"


def test_a_delete_ends_as_deleted_and_nothing_is_visible() -> None:
    events = [event("shard"), event("door", version=2, op="delete")]
    assert fold(events).state == "deleting"
    done = fold([*events, event("shard", version=2, op="delete")])
    assert (done.state, done.visible_version) == ("deleted", None)


def test_a_late_revision_0_does_not_undo_revision_1() -> None:
    late = [event("join", revision=1, count=4), event("join", revision=0, count=2)]
    assert fold(late).stages["join"].count == 4


@given(st.permutations([event(s, version=v, revision=1) for s, v in itertools.product(STATUS_STAGES, (1, 2, 3))]))
def test_the_fold_does_not_depend_on_order(events: list[StageEvent]) -> None:
    assert fold(events) == fold(sorted(events, key=lambda e: (e.version, e.stage)))


def test_events_of_two_documents_are_refused() -> None:
    other = StageEvent(tenant="t", doc_id="e", version=1, stage="door", state="done", at_ms=0)
    with pytest.raises(ValueError, match="one document"):
        fold([event("door"), other])
