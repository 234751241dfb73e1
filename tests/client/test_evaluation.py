"""Figures of retrieval against figures known by hand, files of judged queries, and ways of ranking."""

import json
import math
from pathlib import Path

import httpx
import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.client import TriremeClient
from client.evaluation.figures import estimate, fused, gains
from client.evaluation.judged import JudgedQuery, read_judged
from client.evaluation.ways import PICTURE, TEXT, WAYS, evaluate
from contracts.errors import DependencyFailed, InvalidInput, NotFound

LISTS = st.lists(st.integers(0, 30).map(str), unique=True, max_size=20)


def test_figures_of_a_list_are_those_of_the_definitions() -> None:
    recall_1, recall_10, mrr, ndcg = gains(["x", "a", "y", "b"], {"a", "b", "c"})
    assert (recall_1, recall_10, mrr) == (0.0, pytest.approx(2 / 3), 0.5)
    ideal = 1 + 1 / math.log2(3) + 1 / math.log2(4)
    assert ndcg == pytest.approx((1 / math.log2(3) + 1 / math.log2(5)) / ideal)


def test_of_more_documents_than_places_a_full_list_is_perfect() -> None:
    relevant = {str(n) for n in range(15)}
    assert gains([str(n) for n in range(10)], relevant) == (1.0, 1.0, 1.0, 1.0)


@given(LISTS, st.sets(st.integers(0, 30).map(str), min_size=1))
def test_figures_lie_between_nothing_and_all_and_a_right_document_first_never_hurts(
    ranking: list[str], relevant: set[str]
) -> None:
    figures = gains(ranking, relevant)
    assert all(0 <= figure <= 1 + 1e-12 for figure in figures)
    best = next(iter(sorted(relevant)))
    moved = [best, *(document for document in ranking if document != best)]
    assert all(after >= before - 1e-12 for before, after in zip(figures, gains(moved, relevant), strict=True))


def test_reciprocal_ranks_are_added() -> None:
    assert fused([["a", "b", "c"], ["c", "b"]]) == ["c", "b", "a"]
    assert fused([["a", "b"]]) == ["a", "b"]
    assert fused([[], []]) == []


@given(LISTS, LISTS)
def test_a_fusion_holds_what_its_lists_hold_once(one: list[str], other: list[str]) -> None:
    result = fused([one, other])
    assert len(result) == len(set(result))
    assert set(result) == {*one, *other}


def test_an_interval_holds_the_mean_and_narrows_with_more_queries() -> None:
    rng = np.random.default_rng(1)
    few, many = (estimate(rng.normal(0.5, 0.2, n)) for n in (30, 3000))
    assert few.low < few.mean < few.high
    assert many.high - many.low < (few.high - few.low) / 4
    assert many.low < 0.5 < many.high


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(2)
    held = [
        each.low <= 0.3 <= each.high for each in (estimate(rng.binomial(1, 0.3, 100) * 1.0) for _ in range(200))
    ]
    assert 0.89 <= np.mean(held) <= 0.99


def lines(path: Path, *rows: object) -> Path:
    file = path / "queries.jsonl"
    file.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows))
    return file


def test_lines_are_read_with_pictures_from_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"picture")
    file = lines(
        tmp_path,
        {"query": " bees ", "expected": "bees.pdf"},
        "",
        {"id": "q", "kind": "both", "query": "x", "image": "a.png", "expected": ["a", "b"], "note": "ignored"},
    )
    assert read_judged(file) == [
        JudgedQuery("1", "queries", "bees", None, frozenset(["bees.pdf"])),
        JudgedQuery("q", "both", "x", b"picture", frozenset(["a", "b"])),
    ]


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("{", "Line 2 of 'queries.jsonl' is no query"),
        ({"query": "x"}, "expected"),
        ({"query": "x", "expected": []}, "names no document"),
        ({"query": " ", "expected": "a"}, "neither 'query' nor 'image'"),
    ],
)
def test_a_line_that_is_no_query_is_named(tmp_path: Path, row: object, told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        read_judged(lines(tmp_path, {"query": "bees", "expected": "a"}, row))


def test_files_and_pictures_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"none\.jsonl"):
        read_judged(tmp_path / "none.jsonl")
    with pytest.raises(NotFound, match=r"Line 1 .*gone\.png"):
        read_judged(lines(tmp_path, {"image": "gone.png", "expected": "a"}))
    with pytest.raises(InvalidInput, match="no queries"):
        read_judged(lines(tmp_path, ""))


def gateway(request: httpx.Request) -> httpx.Response:
    """Finds t1, t2 by the text half, p1, p2 by the picture half, and t1, p1 by both."""
    body = json.loads(request.content)
    weights = body.get("weights")
    assert body["group_by"] == "document"
    if weights == msgspec.to_builtins(TEXT):
        assert "image" not in body
        names = ["t1", "t2"]
    elif weights == msgspec.to_builtins(PICTURE):
        names = ["p1", "p2"]
    else:
        names = ["t1", "p1"]
    hits = [
        {
            "rank": rank,
            "doc_id": f"id-{name}",
            "version": 1,
            "item_id": "t0",
            "kind": "text",
            "score": 1.0,
            "text_score": 1.0,
            "image_score": 0.0,
            "source": name,
            "collection": "default",
            "content_type": "text/plain",
            "text": "",
            "page": None,
            "box": None,
            "char_start": None,
            "char_end": None,
            "heading": None,
            "caption": None,
            "picture_url": None,
            "thumbnail_url": None,
            "document_url": "/d",
        }
        for rank, name in enumerate(names, start=1)
    ]
    told = {"hits": hits, "coverage": {"answered": 3, "of": 3}, "served_by": "index", "variant": "full"}
    return httpx.Response(200, json={**told, "generation": "g", "trace_id": "0" * 32, "timings_ms": {}})


def test_ways_are_compared_query_by_query_and_kind_by_kind() -> None:
    asked = [
        JudgedQuery("1", "words", "x", None, frozenset(["t1"])),
        JudgedQuery("2", "both", "x", b"p", frozenset(["id-p1"])),
    ]
    ways = {"joint": WAYS["joint"], "text half": (TEXT,), "RRF": (TEXT, PICTURE)}
    seen: list[None] = []
    with TriremeClient("http://127.0.0.1:1", transport=httpx.MockTransport(gateway)) as client:
        figures = evaluate(client, asked, ways, done=lambda: seen.append(None))
    told = {(each.kind, each.way): each for each in figures}
    assert len(seen) == 2
    assert [each.queries for each in figures] == [1, 1, 1, 1, 1, 1, 2, 2, 2]
    assert told["words", "joint"].figures[0].mean == 1.0
    assert told["both", "joint"].figures[2].mean == 0.5
    assert told["both", "text half"].figures[1].mean == 0.0
    behind = told["both", "text half"].behind
    assert behind is not None
    assert behind.mean == pytest.approx(1 / math.log2(3))
    # t1 and p1 are first in one list each: the first list's comes first.
    assert told["both", "RRF"].figures[2].mean == 0.5
    assert told["all kinds", "joint"].behind is None


def test_a_half_that_a_query_does_not_ask_finds_nothing() -> None:
    asked = [JudgedQuery("1", "pictures", None, b"p", frozenset(["p1"]))]
    with TriremeClient("http://127.0.0.1:1", transport=httpx.MockTransport(gateway)) as client:
        [text] = evaluate(client, asked, {"text half": (TEXT,)})
    assert [figure.mean for figure in text.figures] == [0.0] * 4


def test_partial_answers_are_asked_again_and_refused_if_they_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("client.evaluation.ways._BETWEEN_S", 0.0)
    asked = [JudgedQuery("1", "words", "x", None, frozenset(["t1"]))]
    tries: list[int] = []

    def partial(until: int) -> httpx.MockTransport:
        def answer(request: httpx.Request) -> httpx.Response:
            tries.append(1)
            body = json.loads(gateway(request).content)
            if len(tries) < until:
                body["coverage"]["answered"] = 2
            return httpx.Response(200, json=body)

        return httpx.MockTransport(answer)

    with TriremeClient("http://127.0.0.1:1", transport=partial(3)) as client:
        [joint] = evaluate(client, asked, {"joint": (None,)})
    assert (joint.figures[0].mean, len(tries)) == (1.0, 3)
    tries.clear()
    with (
        TriremeClient("http://127.0.0.1:1", transport=partial(100)) as client,
        pytest.raises(DependencyFailed, match="10 tries"),
    ):
        evaluate(client, asked, {"joint": (None,)})
    assert len(tries) == 10
