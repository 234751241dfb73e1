"""`trireme models update` on a real embedded Triton: what becomes a version, and what is left of what does not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from cli.models import app
from contracts.errors import Conflict, DependencyFailed, InvalidInput, NotFound, TriremeError
from contracts.tensors import CLIP_IMAGE
from export.precision import write_precision
from stack.model_versions import check_versions, versions_on_disk
from tests.stack.servers.conftest import OwnTriton, negated

pytestmark = pytest.mark.integration


class Export:
    """An export of the demo's picture tower in fp16, as `trireme export` would have left it; tests spoil it."""

    def __init__(self, triton: OwnTriton, root: Path) -> None:
        self.folder = root / CLIP_IMAGE
        model = triton.repository / CLIP_IMAGE
        (self.folder / "1").mkdir(parents=True)
        shutil.copy(model / "config.pbtxt", self.folder)
        write_precision(model / "1" / "model.onnx", self.graph, "fp16", [])
        self.describe(
            **json.loads((model / "manifest.json").read_text()), precision_="fp16", sha256_="of the fp16 graph"
        )

    @property
    def graph(self) -> Path:
        return self.folder / "1" / "model.onnx"

    def describe(self, **changes: Any) -> None:
        path = self.folder / "manifest.json"
        known = json.loads(path.read_text()) if path.is_file() else {}
        path.write_text(json.dumps(known | {name.rstrip("_"): value for name, value in changes.items()}))

    def change_config(self, old: str, new: str) -> None:
        path = self.folder / "config.pbtxt"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))


@pytest.fixture
def export(own_triton: OwnTriton, tmp_path: Path) -> Export:
    return Export(own_triton, tmp_path)


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    """Pictures to compare vectors on."""
    from PIL import Image

    folder = tmp_path / "samples"
    folder.mkdir()
    rng = np.random.default_rng(5)
    for number in range(3):
        pixels = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((120, 90)).save(folder / f"{number}.png")
    return folder


@pytest.fixture(autouse=True)
def first_version_again(own_triton: OwnTriton) -> Iterator[None]:
    """Every test begins with the reference and ends there."""
    yield
    folder = own_triton.repository / CLIP_IMAGE
    for version in versions_on_disk(folder)[1:]:
        shutil.rmtree(folder / str(version))
    operate(own_triton, "load", CLIP_IMAGE)


def operate(triton: OwnTriton, *arguments: str) -> Any:
    options = ("--triton", triton.address, "--repository", str(triton.repository), "--json")
    result = CliRunner().invoke(app, [*arguments, *options], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def update(triton: OwnTriton, export: Export, samples: Path, *options: str) -> Any:
    return operate(triton, "update", CLIP_IMAGE, str(export.folder), "--samples", str(samples), *options)


def state(triton: OwnTriton) -> Any:
    (report,) = [each for each in operate(triton, "list") if each["name"] == CLIP_IMAGE]
    return report


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def assert_refused(
    triton: OwnTriton, export: Export, samples: Path, error: type[TriremeError], told: str, *options: str
) -> None:
    """Refused with these words, and nothing of it is left: not on disk, not in the server."""
    before = files(triton.repository)
    with pytest.raises(error, match=told):
        update(triton, export, samples, *options)
    assert files(triton.repository) == before
    assert [path for path in (triton.repository / CLIP_IMAGE).iterdir() if path.name.startswith("0.")] == []
    assert (state(triton)["state"], state(triton)["version"]) == ("serving", 1)


def test_another_precision_of_the_same_weights_becomes_the_next_version(
    own_triton: OwnTriton, export: Export, samples: Path
) -> None:
    done = update(own_triton, export, samples)
    assert (done["version"] > 1, done["replaced"], done["precision"]) == (True, 1, "fp16")
    assert done["min_cosine"] > 0.999
    assert done["served_min_cosine"] > 0.999
    now = state(own_triton)
    assert (now["state"], now["version"], now["precision"]) == ("serving", done["version"], "fp16")
    assert now["sha256"] == "of the fp16 graph"
    reference = json.loads((own_triton.repository / CLIP_IMAGE / "manifest.json").read_text())
    assert reference["precision"].startswith("fp32"), "the space stays made of the reference"
    # The stack's own check at its next start.
    check_versions(own_triton.repository)


def test_a_model_with_other_vectors_is_refused(own_triton: OwnTriton, export: Export, samples: Path) -> None:
    negated(own_triton.repository / CLIP_IMAGE / "1" / "model.onnx", export.graph)
    assert_refused(own_triton, export, samples, Conflict, r"smallest cosine -1\.0.*index would be wrong")


def test_vectors_that_only_the_server_gets_wrong_are_noticed_and_taken_back(
    own_triton: OwnTriton, export: Export, samples: Path
) -> None:
    negated(export.graph, export.folder / "1" / "other.onnx")
    export.change_config('backend: "onnxruntime"', 'backend: "onnxruntime"\ndefault_model_filename: "other.onnx"')
    assert_refused(own_triton, export, samples, Conflict, "as Triton serves it, does not give", "--with-config")


def test_a_version_that_triton_cannot_load_is_taken_back(
    own_triton: OwnTriton, export: Export, samples: Path
) -> None:
    export.change_config("KIND_CPU", "KIND_GPU")
    assert_refused(
        own_triton, export, samples, DependencyFailed, "could not load 'clip_image'.*GPU", "--with-config"
    )


def test_other_tensors_are_refused(own_triton: OwnTriton, export: Export, samples: Path) -> None:
    export.change_config("dims: [ 96, 96, 3 ] }", "dims: [ 224, 224, 3 ] }")
    assert_refused(own_triton, export, samples, Conflict, r"other inputs than 'clip_image'.*\[224, 224, 3\]")


def test_pictures_that_are_prepared_otherwise_are_refused(
    own_triton: OwnTriton, export: Export, samples: Path
) -> None:
    export.describe(interpolation="bilinear")
    assert_refused(own_triton, export, samples, Conflict, "differs in interpolation")


def test_an_export_that_failed_its_comparison_with_pytorch_is_refused(
    own_triton: OwnTriton, export: Export, samples: Path
) -> None:
    export.describe(parity={"min_cosine": 0.98})
    assert_refused(own_triton, export, samples, InvalidInput, "did not pass its comparison")


def test_what_is_no_export_is_refused(own_triton: OwnTriton, export: Export, samples: Path) -> None:
    (export.folder / "manifest.json").unlink()
    assert_refused(own_triton, export, samples, InvalidInput, "not the folder of an exported model")
    shutil.rmtree(export.folder)
    assert_refused(own_triton, export, samples, NotFound, "There is no folder")
