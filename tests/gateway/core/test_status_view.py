"""Views of documents, and cursors."""

import pytest

from contracts.errors import InvalidInput
from contracts.status import StageEvent, fold
from gateway.core.status_view import Position, read_cursor, view_of


def event(stage: str, state: str, **fields: object) -> StageEvent:
    values: dict[str, object] = {
        "tenant": "t",
        "doc_id": "d",
        "version": 5,
        "stage": stage,
        "state": state,
        "at_ms": 7,
    }
    return StageEvent(**(values | fields))  # type: ignore[arg-type]


def test_names_come_from_the_door_and_stages_stand_in_the_order_of_the_work() -> None:
    view = view_of(
        fold(
            [
                event("shard", "done", revision=1),
                event("text", "done", count=3, source_key="other"),
                event(
                    "door",
                    "done",
                    source_key="a.pdf",
                    collection="c",
                    content_type="application/pdf",
                    size_bytes=9,
                ),
            ]
        )
    )
    assert (view.source, view.collection, view.size_bytes, view.state) == ("a.pdf", "c", 9, "indexed")
    assert [stage.stage for stage in view.stages] == ["door", "text", "shard"]
    assert view.stages[1].count == 3


def test_a_document_whose_door_event_is_missing_still_has_a_view() -> None:
    view = view_of(fold([event("join", "failed", reason="It is damaged.", source_key="a.pdf")]))
    assert (view.state, view.reason, view.source, view.size_bytes) == ("failed", "It is damaged.", "a.pdf", None)


def test_a_cursor_gives_its_position_back() -> None:
    position = Position(1_700_000_000_000, "0b9a-é.x")
    assert read_cursor(position.cursor()) == position


TOO_LATE, TOO_EARLY = Position(10**30, "x").cursor(), Position(-1, "x").cursor()


@pytest.mark.parametrize("cursor", ["", "x", "!!!", "bm9uZQ==", "é", TOO_LATE, TOO_EARLY])
def test_anything_else_is_no_cursor(cursor: str) -> None:
    with pytest.raises(InvalidInput):
        read_cursor(cursor)
