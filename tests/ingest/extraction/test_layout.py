"""Reading order of boxes on a page."""

from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.documents import Box
from ingest.extraction.layout import clipped, distance, reading_order, union

SIDES = st.floats(0, 1)


@st.composite
def boxes(draw: st.DrawFn) -> Box:
    left, right = sorted(draw(st.lists(SIDES, min_size=2, max_size=2, unique=True)))
    top, bottom = sorted(draw(st.lists(SIDES, min_size=2, max_size=2, unique=True)))
    return Box(left, top, right, bottom)


@settings(deadline=None)
@given(st.lists(boxes(), max_size=25))
def test_every_box_is_read_exactly_once(page: list[Box]):
    assert sorted(reading_order(page)) == list(range(len(page)))


@settings(deadline=None)
@given(st.lists(st.integers(0, 45), max_size=20, unique=True))
def test_single_column_is_read_from_top_to_bottom(tops: list[int]):
    page = [Box(0.1, top / 50, 0.9, (top + 1) / 50) for top in tops]

    assert reading_order(page) == sorted(range(len(tops)), key=lambda index: tops[index])


def test_columns_with_gaps_at_the_same_height_are_not_torn_apart():
    left = [Box(0.1, top, 0.45, top + 0.08) for top in (0.2, 0.3, 0.4)]
    right = [Box(0.55, top, 0.9, top + 0.08) for top in (0.2, 0.3, 0.4)]
    title = Box(0.1, 0.05, 0.9, 0.1)
    footer = Box(0.1, 0.95, 0.9, 0.97)

    page = [footer, right[0], left[0], left[1], right[1], title, right[2], left[2]]

    assert reading_order(page) == [5, 2, 3, 7, 1, 4, 6, 0]


def test_shorter_right_column_comes_after_the_whole_left_one():
    page = [Box(0.1, 0.2, 0.45, 0.4), Box(0.55, 0.2, 0.9, 0.4), Box(0.1, 0.45, 0.45, 0.8)]

    assert reading_order(page) == [0, 2, 1]


def test_indented_box_between_others_is_no_column():
    page = [Box(0.1, 0.1, 0.3, 0.15), Box(0.4, 0.2, 0.7, 0.3), Box(0.1, 0.35, 0.3, 0.4)]

    assert reading_order(page) == [0, 1, 2]


def test_date_beside_a_name_is_read_before_the_letter_below():
    page = [Box(0.1, 0.1, 0.3, 0.12), Box(0.7, 0.1, 0.9, 0.12), Box(0.1, 0.2, 0.4, 0.25)]

    assert reading_order(page) == [0, 1, 2]


@settings(deadline=None)
@given(boxes(), boxes())
def test_distance_is_symmetric_and_zero_where_boxes_touch(a: Box, b: Box):
    assert distance(a, b) == distance(b, a)
    assert distance(a, union([a, b])) == 0


def test_box_off_the_page_is_none_and_one_on_its_edge_is_cut():
    assert clipped(1.2, 0.1, 1.4, 0.2) is None
    assert clipped(-0.5, 0.1, 0.5, 1.7) == Box(0.0, 0.1, 0.5, 1.0)
