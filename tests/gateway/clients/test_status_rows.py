"""The SQLite file with documents' states."""

import itertools
import sqlite3
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.status import StageEvent, fold
from gateway.clients.status_rows import StatusRows

V1, V2 = 2**40 + 1, 2**40 + 9


def event(stage: str, state: str = "done", **fields: object) -> StageEvent:
    values = {"tenant": "t", "doc_id": "d", "version": V1, "stage": stage, "state": state, "at_ms": 1000} | fields
    return StageEvent(**values)  # type: ignore[arg-type]


@pytest.fixture
def rows(tmp_path: Path) -> StatusRows:
    return StatusRows(tmp_path / "folder" / "status.sqlite")


def test_a_document_is_the_fold_of_its_events(rows: StatusRows) -> None:
    events = [event("door", source_key="a.pdf"), event("text", count=3), event("shard", revision=1)]
    assert rows.apply(events, {0: 3}) == {("t", "d")}
    assert rows.get("t", "d") == fold(events)


def test_another_tenant_does_not_see_it(rows: StatusRows) -> None:
    rows.apply([event("door")], {0: 1})
    assert rows.get("other", "d") is None
    assert rows.page("other", None, None, 10) == []


def test_rows_and_offsets_survive_a_restart(rows: StatusRows, tmp_path: Path) -> None:
    rows.reset("cluster/topic")
    rows.apply([event("door")], {0: 1, 11: 7})
    rows.close()
    again = StatusRows(tmp_path / "folder" / "status.sqlite")
    assert again.identity() == "cluster/topic"
    assert again.offsets() == {0: 1, 11: 7}
    assert again.get("t", "d") == fold([event("door")])


def test_events_and_offsets_change_together_or_not_at_all(rows: StatusRows) -> None:
    rows.apply([event("door")], {0: 1})

    def torn() -> object:
        yield event("text")
        raise RuntimeError("the process dies here")

    with pytest.raises(RuntimeError):
        rows.apply(torn(), {0: 3})  # type: ignore[arg-type]
    assert rows.offsets() == {0: 1}
    assert rows.get("t", "d") == fold([event("door")])


def test_the_same_records_again_change_nothing_that_is_seen(rows: StatusRows) -> None:
    events = [event("door"), event("join", revision=1), event("shard", revision=1)]
    rows.apply(events, {0: 3})
    before = rows.get("t", "d")
    rows.apply(events, {0: 3})
    assert rows.get("t", "d") == before


def test_an_older_revision_that_comes_late_is_no_news(rows: StatusRows) -> None:
    rows.apply([event("shard", revision=1)], {0: 1})
    assert rows.apply([event("shard", revision=0)], {0: 2}) == set()
    status = rows.get("t", "d")
    assert status is not None
    assert status.stages["shard"].revision == 1


def test_versions_before_the_visible_one_are_dropped_and_the_visible_one_is_kept(
    rows: StatusRows, tmp_path: Path
) -> None:
    rows.apply([event("door"), event("shard", revision=1)], {0: 2})
    rows.apply([event("door", version=V2), event("text", "failed", version=V2)], {0: 4})
    status = rows.get("t", "d")
    assert status is not None
    assert (status.version, status.visible_version) == (V2, V1)
    rows.apply([event("shard", version=V2, revision=1)], {0: 5})
    rows.close()
    with sqlite3.connect(tmp_path / "folder" / "status.sqlite") as db:
        assert {version for (version,) in db.execute("SELECT version FROM events")} == {V2}


def test_pages_go_from_the_newest_to_the_oldest_without_gaps_or_repeats(rows: StatusRows) -> None:
    rows.apply([event("door", doc_id=f"d{n:02}", at_ms=1000 + n // 3) for n in range(20)], {0: 20})
    seen: list[str] = []
    after = None
    while page := rows.page("t", None, after, 7):
        seen += [position.doc_id for position in page]
        after = page[-1]
    assert sorted(seen) == [f"d{n:02}" for n in range(20)]
    times = [1000 + int(doc_id[1:]) // 3 for doc_id in seen]
    assert times == sorted(times, reverse=True)


def test_pages_can_be_limited_to_a_state(rows: StatusRows) -> None:
    rows.apply([event("door", doc_id="a"), event("join", "failed", doc_id="b"), event("door", doc_id="b")], {0: 3})
    assert [position.doc_id for position in rows.page("t", "failed", None, 10)] == ["b"]


def test_documents_are_counted_by_state_and_collection(rows: StatusRows) -> None:
    rows.apply([event("door", doc_id=d, collection=c) for d, c in (("a", "x"), ("b", "x"), ("c", "y"))], {0: 3})
    rows.apply([event("join", "failed", doc_id="b")], {0: 4})
    assert rows.counts("t", None) == {"processing": 2, "failed": 1}
    assert rows.counts("t", ("x",)) == {"processing": 1, "failed": 1}
    assert [position.doc_id for position in rows.page("t", None, None, 9, collections=("y",))] == ["c"]


def test_what_changed_after_a_mark_is_told_in_order_until_another_life_begins(rows: StatusRows) -> None:
    rows.reset("cluster/topic")
    rows.apply([event("door", doc_id=d) for d in ("a", "b", "c")], {0: 3})
    mark = rows.mark()
    assert rows.changed_since("t", mark, 10) == []
    rows.apply([event("text", doc_id="c")], {0: 4})
    rows.apply([event("text", doc_id="a")], {0: 5})
    assert rows.changed_since("t", mark, 10) == ["c", "a"]
    assert rows.changed_since("t", mark, 1) is None
    assert rows.changed_since("other", mark, 10) == []
    for foreign in ("", "x", "none-1", f"{mark}9999999999999999999", "\u0663"):
        assert rows.changed_since("t", foreign, 10) is None
    rows.reset("cluster/topic")
    assert rows.changed_since("t", mark, 10) is None


def test_a_reset_forgets_everything(rows: StatusRows) -> None:
    rows.apply([event("door")], {0: 1})
    rows.reset("another/log")
    assert (rows.get("t", "d"), rows.offsets(), rows.identity()) == (None, {}, "another/log")


def test_a_file_that_is_no_database_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "status.sqlite"
    path.write_bytes(b"this was never a database" * 100)
    rows = StatusRows(path)
    assert rows.identity() is None


def test_a_reader_sees_what_the_writer_has_committed(rows: StatusRows, tmp_path: Path) -> None:
    reader = StatusRows(tmp_path / "folder" / "status.sqlite")
    rows.apply([event("door")], {0: 1})
    assert reader.get("t", "d") is not None


_numbers = itertools.count()


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.permutations(
        [
            event("door", source_key="a"),
            event("text", count=2),
            event("image", "failed", reason="broken"),
            event("join", revision=0),
            event("shard", revision=0),
            event("shard", revision=1),
            event("door", version=V2),
            event("text", "retrying", version=V2),
        ]
    ),
    st.integers(1, 8),
)
def test_the_order_and_batches_of_records_do_not_matter(
    tmp_path: Path, events: list[StageEvent], size: int
) -> None:
    rows = StatusRows(tmp_path / f"{next(_numbers)}.sqlite")
    for i in range(0, len(events), size):
        rows.apply(events[i : i + size], {0: i + size})
    assert rows.get("t", "d") == fold(events)
