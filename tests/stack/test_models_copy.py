"""What describes the models comes out of the bucket without their weights."""

from pathlib import Path

import pytest

from contracts.errors import ConfigurationError
from runtime.object_store import ObjectStore
from stack.models_copy import LARGEST_BYTES, copy_descriptions, main


def repository(folder: Path) -> ObjectStore:
    for name, size in {
        "space.json": 10,
        "clip_text/manifest.json": 20,
        "clip_text/1/tokenizer.json": 30,
        "clip_text/1/model.onnx": 40,
        "clip_text/1/model.safetensors": 50,
        "clip_text/1/large.json": LARGEST_BYTES + 1,
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * size)
    return ObjectStore.from_url(folder.as_uri())


async def test_descriptions_come_and_weights_stay(tmp_path: Path) -> None:
    target = tmp_path / "models"
    assert await copy_descriptions(repository(tmp_path / "bucket"), target) == 3
    found = {str(path.relative_to(target)): path.stat().st_size for path in target.rglob("*") if path.is_file()}
    assert found == {"space.json": 10, "clip_text/manifest.json": 20, "clip_text/1/tokenizer.json": 30}


async def test_a_bucket_without_models_is_an_error_that_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"No space\.json"):
        await copy_descriptions(ObjectStore.from_url((tmp_path / "empty").as_uri()), tmp_path / "models")


def test_other_arguments_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="usage"):
        main(["/somewhere", "/models"])


def test_the_command_copies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    repository(tmp_path / "bucket")
    main([(tmp_path / "bucket").as_uri(), str(tmp_path / "models")])
    assert capsys.readouterr().out == "3 files copied\n"
