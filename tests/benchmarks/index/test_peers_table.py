"""How engines are compared: speed at equal recall, and against the best of those that come to it."""

import math

import pytest

from benchmarks.index.peers_table import PeerRow, best_ratio, per_s_at


def _row(name: str, per_s: float | None) -> PeerRow:
    return PeerRow(name, None, "", (per_s, None), (None, None))


def test_between_two_points_the_logarithm_of_speed_falls_straight_with_recall() -> None:
    curve = [(0.90, 1000.0), (1.00, 250.0)]
    halfway = per_s_at(curve, 0.95)
    assert halfway == pytest.approx(500.0)
    quarter = per_s_at(curve, 0.925)
    assert quarter == pytest.approx(math.sqrt(1000.0 * 500.0))


def test_a_cheapest_point_that_is_good_enough_counts_as_it_is() -> None:
    assert per_s_at([(0.97, 800.0), (0.99, 300.0)], 0.95) == 800.0


def test_an_engine_that_never_finds_enough_has_no_speed() -> None:
    assert per_s_at([(0.80, 900.0), (0.94, 100.0)], 0.95) is None
    assert per_s_at([], 0.95) is None


def test_a_recall_that_sinks_on_the_way_is_passed_over() -> None:
    assert per_s_at([(0.90, 900.0), (0.89, 600.0), (0.95, 300.0)], 0.95) == pytest.approx(300.0)


def test_the_core_is_compared_with_the_quickest_database_and_with_no_library() -> None:
    rows = [_row("trireme", 600.0), _row("chroma", 200.0), _row("postgres", 300.0), _row("usearch_graph", 5000.0)]
    assert best_ratio(rows, lambda row: row.at_joint[0]) == 2.0


def test_there_is_no_ratio_while_one_side_has_no_figure() -> None:
    assert best_ratio([_row("trireme", 600.0), _row("chroma", None)], lambda row: row.at_joint[0]) is None
    assert best_ratio([_row("chroma", 200.0)], lambda row: row.at_joint[0]) is None
