"""`trireme eval queries` against a gateway that is a function: its table, its JSON, what it says of a bad file."""

import json
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from cli import eval_queries
from cli.evaluate import app
from client.client import TriremeClient
from client.evaluation.ways import WAYS
from contracts.errors import InvalidInput
from tests.client.test_evaluation import gateway


@pytest.fixture(autouse=True)
def _a_gateway(monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(*_: object, **__: object) -> TriremeClient:
        return TriremeClient("http://127.0.0.1:1", transport=httpx.MockTransport(gateway))

    monkeypatch.setattr(eval_queries, "open_client", opened)


def judged(folder: Path, *rows: object) -> str:
    file = folder / "judged.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)))
    return str(file)


def test_the_table_names_every_way_and_both_kinds(tmp_path: Path) -> None:
    file = judged(
        tmp_path,
        {"query": "x", "expected": "t1", "kind": "words"},
        {"query": "y", "expected": ["p1", "p2"], "kind": "seen"},
    )
    printed = CliRunner().invoke(app, ["queries", file], catch_exceptions=False).output
    for told in ("words: 1 queries", "seen: 1 queries", "all kinds: 2 queries", *WAYS):
        assert told in printed
    assert "1.000" in printed


def test_json_has_every_figure_with_its_interval(tmp_path: Path) -> None:
    file = judged(tmp_path, {"query": "x", "expected": "t1"})
    printed = CliRunner().invoke(app, ["queries", file, "--json"], catch_exceptions=False).stdout
    first, *others = json.loads(printed)
    assert (first["way"], first["kind"], first["queries"], first["behind"]) == ("joint", "queries", 1, None)
    assert first["figures"][0] == {"mean": 1.0, "low": 1.0, "high": 1.0}
    assert [each["way"] for each in others] == list(WAYS)[1:]


def test_a_bad_line_is_told_before_anything_is_asked(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="Line 1"):
        CliRunner().invoke(app, ["queries", judged(tmp_path, {"expected": "a"})], catch_exceptions=False)
