"""A repository of its own for a space: whole or not at all, models under other names."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.errors import Conflict, DependencyFailed
from export.joint_space.new_repository import copy_model, new_repository, renamed
from tests.export.joint_space.models import write_image_tower
from tests.export.test_publish import files_of_at_most


def test_a_model_shares_its_bytes_and_gets_the_new_name_in_every_configuration(tmp_path: Path) -> None:
    write_image_tower(tmp_path, "pics_image")
    source, target = tmp_path / "pics_image", tmp_path / "clip_image"
    copy_model(source, target)
    assert (target / "1" / "model.onnx").samefile(source / "1" / "model.onnx")
    assert not (target / "manifest.json").exists()
    configurations = {path.relative_to(target): path.read_text() for path in target.rglob("*.pbtxt")}
    assert len(configurations) == 4
    for place, text in configurations.items():
        assert 'name: "clip_image"' in text
        assert "pics_image" not in text
        assert text == (source / place).read_text().replace("pics_image", "clip_image")


def test_a_tensor_that_is_called_as_the_model_keeps_its_name() -> None:
    config = 'name: "image"\ninput [\n  { name: "image" dims: [ 3 ] }\n]\nparameters { value: "/cache/image" }'
    found = renamed(config, "image", "clip_image")
    assert found == config.replace('name: "image"', 'name: "clip_image"', 1).replace("/image", "/clip_image")
    assert (
        renamed("--cache=/var/image.timing --shapes=image:1", "image", "x")
        == "--cache=/var/x.timing --shapes=image:1"
    )


def test_nothing_appears_when_the_block_fails(tmp_path: Path) -> None:
    def fail() -> None:
        with new_repository(tmp_path / "space") as staged:
            (staged / "half").write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_said_so_and_nothing_appears(tmp_path: Path) -> None:
    def fill() -> None:
        with new_repository(tmp_path / "space") as staged:
            (staged / "large").write_bytes(b"x" * 2000)

    with pytest.raises(DependencyFailed, match="could not be written"), files_of_at_most(1000):
        fill()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_anything_in_it_is_refused_and_an_empty_one_is_taken(tmp_path: Path) -> None:
    used, empty = tmp_path / "used", tmp_path / "empty"
    used.mkdir()
    empty.mkdir()
    (used / "space.json").write_text("{}")
    with pytest.raises(Conflict, match="not empty"), new_repository(used):
        pass
    with new_repository(empty) as staged:
        (staged / "space.json").write_text("{}")
    assert [path.name for path in empty.iterdir()] == ["space.json"]
