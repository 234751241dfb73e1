"""`trireme export` as a person runs it, in the export environment."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from contracts.errors import Conflict, InvalidInput

pytest.importorskip("torch", reason="runs in the export environment: `make test-export`")
pytestmark = pytest.mark.export_env

from cli.export import app  # noqa: E402
from tests.export.checkpoints import tiny_bert  # noqa: E402


def test_a_text_encoder_is_exported_with_figures_and_what_every_device_needs(tmp_path: Path) -> None:
    checkpoint = tiny_bert(tmp_path / "tiny-e5-model")
    options = ["--repository", str(tmp_path / "repository"), "--precision", "fp16"]
    result = CliRunner().invoke(app, ["text", str(checkpoint), *options], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert "query 'query: ', passage 'passage: '" in result.output
    model = tmp_path / "repository" / "tiny_e5_model"
    manifest = json.loads((model / "manifest.json").read_text())
    assert f"tiny_e5_model: smallest cosine to PyTorch {manifest['parity']['min_cosine']:.6f}" in result.output
    assert (manifest["precision"], manifest["licence"]) == ("fp16", "unknown")
    assert "polygraphy run" in manifest["build_a_plan"]["polygraphy"]
    assert "trtexec --onnx=model.onnx" in manifest["build_a_plan"]["trtexec"]
    assert "KIND_CPU" in (model / "config.pbtxt").read_text()
    assert 'key: "precision_mode" value: "FP16"' in (model / "configs" / "tensorrt.pbtxt").read_text()
    assert 'backend: "tensorrt"' in (model / "configs" / "plan.pbtxt").read_text()
    with pytest.raises(Conflict, match="--replace"):
        CliRunner().invoke(app, ["text", str(checkpoint), *options], catch_exceptions=False)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--precision", "fp8"], "none of fp32, fp16"),
        (["--name", "../x"], "no model name"),
    ],
)
def test_options_that_make_no_sense_are_refused(tmp_path: Path, options: list[str], told: str) -> None:
    checkpoint = tiny_bert(tmp_path / "tiny")
    with pytest.raises(InvalidInput, match=told):
        CliRunner().invoke(app, ["text", str(checkpoint), *options], catch_exceptions=False)
