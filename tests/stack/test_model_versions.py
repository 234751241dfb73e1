"""Versions on disk: which there are, what they were made of, and whether the space may be served from them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from contracts.errors import ConfigurationError
from stack.model_versions import check_versions, read_facts, versions_on_disk

REFERENCE = {"source": "a checkpoint", "precision": "fp32", "sha256": "aa"}


def repository(root: Path, *, proof: dict[str, Any] | None = None, newest: int = 2) -> Path:
    """One encoder of the space with a reference and, beside it, a version with this proof."""
    folder = root / "words"
    for version in {1, newest}:
        (folder / str(version)).mkdir(parents=True)
        (folder / str(version) / "model.onnx").touch()
    (folder / "manifest.json").write_text(json.dumps(REFERENCE))
    if proof is not None:
        facts = {"source": "a checkpoint", "precision": "int8", "sha256": "bb", "stands_for": proof}
        (folder / str(newest) / "manifest.json").write_text(json.dumps(facts))
    (root / "space.json").write_text(json.dumps({"encoders": {"text": "words@aa"}}))
    return root


def proof_for(sha256: str) -> dict[str, Any]:
    return {"sha256": sha256, "min_cosine": 0.995, "threshold": 0.99, "inputs": 48}


def test_only_numbered_folders_with_files_are_versions(tmp_path: Path) -> None:
    for name in ("1", "10", "0.staged", "configs", "3"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.onnx").touch()
    (tmp_path / "3" / "model.onnx").unlink()
    (tmp_path / "7").touch()
    assert versions_on_disk(tmp_path) == (1, 10)
    assert versions_on_disk(tmp_path / "nowhere") == ()


def test_each_version_has_facts_of_its_own_and_the_reference_has_the_models(tmp_path: Path) -> None:
    folder = repository(tmp_path, proof=proof_for("aa")) / "words"
    first, second = read_facts(folder, 1), read_facts(folder, 2)
    assert first is not None
    assert second is not None
    assert (first.precision, first.sha256, first.stands_for) == ("fp32", "aa", None)
    assert (second.precision, second.sha256) == ("int8", "bb")
    assert second.stands_for is not None
    assert second.stands_for.sha256 == "aa"
    assert read_facts(folder, 3) is None


def test_a_version_that_is_proved_for_the_present_reference_may_serve(tmp_path: Path) -> None:
    check_versions(repository(tmp_path, proof=proof_for("aa")))
    check_versions(tmp_path / "no-repository")


@pytest.mark.parametrize("proof", [None, proof_for("of the weights before")], ids=["by hand", "of other weights"])
def test_a_version_that_is_not_proved_for_the_present_reference_stops_the_start(
    tmp_path: Path, proof: dict[str, Any] | None
) -> None:
    with pytest.raises(ConfigurationError, match=r"Version 2 of the model 'words'.*trireme models update"):
        check_versions(repository(tmp_path, proof=proof))


def test_models_that_the_space_is_not_made_of_are_their_owners_affair(tmp_path: Path) -> None:
    check = repository(tmp_path)
    (check / "space.json").write_text(json.dumps({"encoders": {"text": "another@cc"}}))
    check_versions(check)


def test_a_damaged_manifest_is_told(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(ConfigurationError, match="damaged"):
        read_facts(tmp_path, 1)
