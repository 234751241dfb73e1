"""A version and its manifest take their places together, or the former ones stay."""

from __future__ import annotations

from pathlib import Path

import pytest

from export.version_folder import MANIFEST_FILE, put_in_place, staged_version


def put(folder: Path, text: str) -> None:
    with staged_version(folder) as staged:
        (staged / "model.onnx").write_text(text)
        put_in_place(folder, staged, text)


def fail_halfway(folder: Path) -> None:
    with staged_version(folder) as staged:
        (staged / "model.onnx").write_text("half")
        raise ValueError("gate")


def held(folder: Path) -> dict[str, str]:
    return {
        str(each.relative_to(folder)): each.read_text() for each in sorted(folder.rglob("*")) if each.is_file()
    }


def test_a_version_takes_the_place_of_the_former_and_leaves_nothing_else(tmp_path: Path) -> None:
    put(tmp_path / "model", "first")
    put(tmp_path / "model", "second")
    assert held(tmp_path / "model") == {"1/model.onnx": "second", MANIFEST_FILE: "second"}


def test_an_export_that_fails_leaves_the_former_version_and_a_new_models_folder_goes(tmp_path: Path) -> None:
    put(tmp_path / "model", "first")
    for name in ("model", "deep/new"):
        with pytest.raises(ValueError, match="gate"):
            fail_halfway(tmp_path / name)
    assert held(tmp_path) == {"model/1/model.onnx": "first", f"model/{MANIFEST_FILE}": "first"}
    assert not (tmp_path / "deep").exists()


def test_the_former_version_comes_back_when_the_manifest_cannot_take_its_place(tmp_path: Path) -> None:
    put(tmp_path, "first")
    (tmp_path / MANIFEST_FILE).unlink()
    # A folder of that name: a file cannot be renamed to it.
    (tmp_path / MANIFEST_FILE / "in_the_way").mkdir(parents=True)
    with pytest.raises(OSError, match="directory"):
        put(tmp_path, "second")
    assert held(tmp_path) == {"1/model.onnx": "first"}


def test_a_server_under_another_user_can_read_the_version(tmp_path: Path) -> None:
    put(tmp_path, "first")
    assert (tmp_path / "1").stat().st_mode & 0o777 == 0o755
