"""What one line of `trireme models list` says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.model_table import report_on
from stack.servers.triton_control import ON_REQUEST, IndexedModel, VersionState


def indexed(*versions: tuple[int, str, str]) -> IndexedModel:
    return IndexedModel("m", tuple(VersionState(*each) for each in versions))


@pytest.mark.parametrize(
    ("model", "answers", "state", "reason"),
    [
        (indexed((1, "READY", "")), True, "serving", ""),
        (indexed((1, "READY", "")), False, "silent", ""),
        (indexed((1, "LOADING", "")), False, "moving", ""),
        (indexed((1, "UNAVAILABLE", ON_REQUEST)), False, "unloaded", ""),
        (indexed((1, "UNAVAILABLE", "Internal: no\n\nAt:\n  model.py")), False, "failed", "Internal: no"),
        (indexed((1, "READY", ""), (2, "UNAVAILABLE", "damaged;")), True, "serving", "damaged"),
        (indexed((1, "UNAVAILABLE", ON_REQUEST), (2, "READY", "")), True, "serving", ""),
        (indexed(), False, "not exported", ""),
    ],
)
def test_the_state_is_what_a_person_wants_to_know(
    tmp_path: Path, model: IndexedModel, answers: bool, state: str, reason: str
) -> None:
    report = report_on(model, tmp_path, answers=answers)
    assert (report.state, report.reason) == (state, reason)


def test_a_version_on_disk_that_nobody_asked_for_is_not_loaded(tmp_path: Path) -> None:
    (tmp_path / "m" / "1").mkdir(parents=True)
    (tmp_path / "m" / "1" / "genai_config.json").touch()
    files = {"model.onnx": "aa", "tokenizer.json": "bb"}
    manifest = {"precision": "int4", "source": "meta-llama/Meta-Llama-3-8B-Instruct", "sha256": files}
    (tmp_path / "m" / "manifest.json").write_text(json.dumps(manifest))
    report = report_on(indexed(), tmp_path, answers=False)
    assert (report.state, report.on_disk, report.precision) == ("not loaded", (1,), "int4")
    assert (report.source, report.sha256) == (manifest["source"], files)


def test_a_damaged_manifest_spoils_its_own_line_only(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "manifest.json").write_text("{")
    report = report_on(indexed((1, "READY", "")), tmp_path, answers=True)
    assert report.state == "serving"
    assert "damaged" in report.source
