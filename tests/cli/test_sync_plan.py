"""What a listing makes of the documents of a collection."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.sync_plan import GONE, make_plan
from contracts.api import DocumentView
from contracts.errors import Conflict

STATES = ("processing", "indexed", "failed", *sorted(GONE))
NAMES = st.sampled_from([f"{letter}.txt" for letter in "abcdef"])


def view(name: str, state: str = "indexed") -> DocumentView:
    return DocumentView(
        doc_id=f"id of {name}",
        state=state,
        version=1,
        visible_version=None,
        source=name,
        collection="default",
        content_type="text/plain",
        size_bytes=1,
        reason=None,
        trace_id=None,
    )


@given(
    listing=st.dictionaries(NAMES, st.sampled_from([True, False, "No door takes this."])),
    states=st.dictionaries(NAMES, st.sampled_from(STATES)),
)
def test_what_is_there_after_a_plan_is_what_was_listed(
    listing: dict[str, bool | str], states: dict[str, str]
) -> None:
    plan = make_plan(listing, [view(name, state) for name, state in states.items()])
    there = {name for name, state in states.items() if state not in GONE}
    after = (there | set(plan.add)) - set(plan.delete)
    refused = {name for name, verdict in listing.items() if isinstance(verdict, str)}
    settled = {name for name, verdict in listing.items() if verdict is True}
    assert after - refused - settled == listing.keys() - refused - settled
    assert not set(plan.delete) & listing.keys()
    assert set(plan.change) <= there
    assert set(plan.refused) == refused


def test_a_document_that_is_gone_already_is_not_deleted_again() -> None:
    assert make_plan({}, [view("a.txt", "deleted"), view("b.txt", "deleting")]).delete == {}


def test_a_refused_file_keeps_the_document_that_it_was() -> None:
    plan = make_plan({"a.txt": "The file is no text."}, [view("a.txt")])
    assert not plan.delete
    assert plan.refused == {"a.txt": "The file is no text."}


def test_a_listing_that_lost_most_of_its_files_is_not_believed() -> None:
    views = [view(f"{number}.txt") for number in range(10)]
    plan = make_plan({"0.txt": True, "1.txt": True}, views)
    with pytest.raises(Conflict, match="8 of 10"):
        plan.require_modest(0.1)
    plan.require_modest(0.8)


def test_nothing_to_delete_is_always_modest() -> None:
    make_plan({}, []).require_modest(0.0)
