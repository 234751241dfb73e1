"""Models into the repository all at once, or not at all."""

from __future__ import annotations

import json
import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from contracts.errors import Conflict, DependencyFailed
from export.publish import publication


def publish(repository: Path, *names: str, content: str = "new", replace: bool = False) -> None:
    with publication(repository, names, replace=replace) as folders:
        for folder in folders.values():
            (folder / "1" / "model.onnx").write_text(content)


def listing(repository: Path) -> dict[str, str]:
    return {
        path.relative_to(repository).as_posix(): path.read_text()
        for path in repository.rglob("*")
        if path.is_file()
    }


@contextmanager
def files_of_at_most(size_bytes: int) -> Iterator[None]:
    """A write beyond the size fails as it does on a full disk, with another number."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_models_appear_together_and_nothing_else_does(tmp_path: Path) -> None:
    publish(tmp_path, "a", "b")
    assert listing(tmp_path) == {"a/1/model.onnx": "new", "b/1/model.onnx": "new"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_a_full_disk_leaves_the_repository_as_it_was(tmp_path: Path) -> None:
    publish(tmp_path, "a", content="old")
    with pytest.raises(DependencyFailed, match="could not be written"), files_of_at_most(1000):
        publish(tmp_path, "b", "a", content="x" * 2000, replace=True)
    assert listing(tmp_path) == {"a/1/model.onnx": "old"}
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_an_interruption_leaves_the_repository_as_it_was(tmp_path: Path) -> None:
    repository = tmp_path / "repository"

    def export_and_interrupt() -> None:
        with publication(repository, ["a"], replace=False) as folders:
            (folders["a"] / "1" / "model.onnx").write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_and_interrupt()
    assert not repository.exists()


def test_when_the_second_model_cannot_take_its_place_the_first_goes_back(tmp_path: Path) -> None:
    publish(tmp_path, "a", content="old")

    def export_and_lose_the_second() -> None:
        with publication(tmp_path, ["a", "b"], replace=True) as folders:
            (folders["a"] / "1" / "model.onnx").write_text("new")
            (folders["b"] / "1").rmdir()
            folders["b"].rmdir()

    with pytest.raises(DependencyFailed):
        export_and_lose_the_second()
    assert listing(tmp_path) == {"a/1/model.onnx": "old"}


def test_a_taken_name_is_refused_before_any_work(tmp_path: Path) -> None:
    publish(tmp_path, "a", content="old")
    with pytest.raises(Conflict, match="--replace"):
        publish(tmp_path, "a")
    publish(tmp_path, "a", replace=True)
    assert listing(tmp_path) == {"a/1/model.onnx": "new"}


def test_a_model_of_the_joint_space_is_never_replaced(tmp_path: Path) -> None:
    publish(tmp_path, "clip_image", "other", content="old")
    (tmp_path / "space.json").write_text(json.dumps({"encoders": {"clip_image": "clip_image@abc"}}))
    with pytest.raises(Conflict, match="joint space"):
        publish(tmp_path, "clip_image", replace=True)
    publish(tmp_path, "other", replace=True)


def test_what_a_killed_export_left_is_removed_and_what_a_live_one_writes_is_not(tmp_path: Path) -> None:
    finished = os.spawnlp(os.P_NOWAIT, "true", "true")
    os.waitpid(finished, 0)
    dead, live = tmp_path / f".export-{finished}-x", tmp_path / f".export-{os.getpid()}-y"
    dead.mkdir()
    live.mkdir()
    publish(tmp_path, "a")
    assert not dead.exists()
    assert live.exists()
