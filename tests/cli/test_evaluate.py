"""Scores of the held-out queries, from outcomes whose figures are known."""

from pathlib import Path

import pytest

from cli.evaluate import QUERIES, Outcome, read_queries, score
from contracts.errors import BadMessage, NotFound


def outcome(kind: str, rank: int | None) -> Outcome:
    return Outcome(id="x", kind=kind, asked="?", expected="a", rank=rank, first=None)


def test_first_places_are_counted_by_kind() -> None:
    evaluation = score([outcome("t", 1), outcome("t", 2), outcome("p", 1), outcome("p", None)])
    assert (evaluation.first, evaluation.queries) == (2, 4)
    assert [(k.kind, k.first, k.among_three) for k in evaluation.by_kind] == [("t", 1, 2), ("p", 1, 1)]
    assert [k.mean_reciprocal_rank for k in evaluation.by_kind] == [0.75, 0.5]


def test_the_held_out_file_has_ten_of_each_kind() -> None:
    kinds = [query.kind for query in read_queries(QUERIES)]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {
        "text_to_text": 10,
        "text_to_picture": 10,
        "picture_to_picture": 10,
        "text_and_picture": 10,
    }


def test_a_line_that_is_no_query_is_told(tmp_path: Path) -> None:
    (tmp_path / "queries.jsonl").write_text('{"id": 1}\n')
    with pytest.raises(BadMessage, match=r"queries\.jsonl"):
        read_queries(tmp_path / "queries.jsonl")


def test_no_queries_is_an_error() -> None:
    with pytest.raises(NotFound):
        score([])
