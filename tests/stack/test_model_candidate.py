"""Which exports may become a version of which model, as far as files tell."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, models

from contracts.errors import Conflict, InvalidInput, TriremeError
from contracts.tensors import LLAMA
from export.model_config import write_configs
from export.shapes import TowerShapes
from stack.home import CHECKOUT
from stack.model_candidate import (
    check_same_interface,
    open_candidate,
    put_configs,
    read_configs,
    restore_configs,
)

WORDS = {"model": "words", "sha256": "aa", "dim": 32, "max_length": 64, "pad_token_id": 0, "precision": "fp32"}


def encoder(root: Path, *, vocabulary: str = "a b c", **changes: Any) -> Path:
    """A text encoder's folder without its graph."""
    folder = root / "words"
    (folder / "1").mkdir(parents=True)
    ids = {word: number for number, word in enumerate(vocabulary.split())}
    Tokenizer(models.WordLevel(ids, unk_token="a")).save(str(folder / "1" / "tokenizer.json"))
    write_configs(folder, TowerShapes("text", 64, 32))
    manifest = WORDS | {"tokenizer": "1/tokenizer.json", "parity": {"min_cosine": 0.99999}} | changes
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def check(model: Path, export: Path, *, with_config: bool = False) -> None:
    check_same_interface(model, open_candidate(export), with_config=with_config)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return encoder(tmp_path / "repository")


def test_an_export_that_callers_cannot_tell_from_the_model_may_become_a_version(
    tmp_path: Path, model: Path
) -> None:
    export = encoder(tmp_path / "new", precision="int8", parity={"min_cosine": 0.992})
    # Written otherwise, the same tokenizer: with padding, which callers decide, and on one line.
    path = export / "1" / "tokenizer.json"
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.enable_padding(length=8)
    path.write_text(tokenizer.to_str())
    check(model, export)
    check(model, export, with_config=True)


@pytest.mark.parametrize(
    ("changes", "error", "told"),
    [
        ({"vocabulary": "a c b"}, Conflict, "another tokenizer"),
        ({"pad_token_id": 1}, Conflict, "differs in pad_token_id"),
        ({"max_length": 32}, Conflict, "differs in max_length"),
        ({"parity": {"min_cosine": 0.9998}}, InvalidInput, "did not pass"),
        ({"parity": {"min_cosine": float("nan")}}, InvalidInput, "did not pass"),
        ({"precision": "int8", "parity": {"min_cosine": 0.98}}, InvalidInput, "did not pass"),
        ({"parity": {}}, InvalidInput, "missing or damaged"),
    ],
    ids=str,
)
def test_what_callers_would_notice_is_refused(
    tmp_path: Path, model: Path, changes: dict[str, Any], error: type[TriremeError], told: str
) -> None:
    with pytest.raises(error, match=told):
        check(model, encoder(tmp_path / "new", **changes))


def test_other_widths_are_refused(tmp_path: Path, model: Path) -> None:
    export = encoder(tmp_path / "new")
    write_configs(export, TowerShapes("text", 64, 48))
    with pytest.raises(Conflict, match=r"other outputs.*\[48\].*\[32\]"):
        check(model, export)


def test_configurations_of_another_name_are_not_taken(tmp_path: Path, model: Path) -> None:
    export = encoder(tmp_path / "new").rename(tmp_path / "new" / "others")
    write_configs(export, TowerShapes("text", 64, 32))
    check(model, export)
    with pytest.raises(Conflict, match="model named 'others'"):
        check(model, export, with_config=True)


def test_configurations_come_back_as_they_were(tmp_path: Path, model: Path) -> None:
    before = read_configs(model)
    assert set(before) == {"config.pbtxt", "configs/cuda.pbtxt", "configs/tensorrt.pbtxt", "configs/plan.pbtxt"}
    put_configs(model, {"config.pbtxt": "another", "configs/h100.pbtxt": "new"})
    assert read_configs(model) == before | {"config.pbtxt": "another", "configs/h100.pbtxt": "new"}
    restore_configs(model, before)
    assert read_configs(model) == before


def test_a_language_models_export_needs_no_configuration_of_its_own(tmp_path: Path) -> None:
    ours, export = tmp_path / "repository" / LLAMA, tmp_path / "new" / LLAMA
    shutil.copytree(CHECKOUT / "model_repository" / LLAMA, ours, ignore=shutil.ignore_patterns("[0-9]*"))
    (export / "1").mkdir(parents=True)
    (export / "1" / "model.onnx").touch()
    # int4 has a gate of its own, which the export has passed.
    (export / "manifest.json").write_text(json.dumps({"precision": "int4", "parity": {"min_cosine": 0.96}}))
    check(ours, export)
    with pytest.raises(InvalidInput, match=r"no config\.pbtxt"):
        check(ours, export, with_config=True)
