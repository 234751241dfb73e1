"""`trireme export` as a person runs it, in the export environment."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from contracts.errors import Conflict, InvalidInput

pytest.importorskip("torch", reason="runs in the export environment: `make test-export`")
pytestmark = pytest.mark.export_env

from transformers import AutoTokenizer  # noqa: E402

from cli.export import CHECKOUT, app  # noqa: E402
from encoding.manifests import TextManifest, read_manifest  # noqa: E402
from encoding.text import TextTokens  # noqa: E402
from tests.export.checkpoints import (  # noqa: E402
    tiny_bert,
    tiny_clip,
    tiny_dual_encoder,
    tiny_sentence_encoder,
)
from tests.export.clip.open_clip_network import tiny_open_clip  # noqa: E402
from tests.export.test_publish import listing, publish  # noqa: E402


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


def export(kind: str, checkpoint: Path, repository: Path) -> Result:
    options = ["--name", "made", "--repository", str(repository)]
    return CliRunner().invoke(app, [kind, str(checkpoint), *options], catch_exceptions=False)


@pytest.mark.parametrize("make", [tiny_dual_encoder, tiny_open_clip])
def test_a_clip_of_another_family_is_exported_as_two_towers(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    result = export("clip", make(tmp_path / "checkpoint"), tmp_path / "repository")
    assert result.exit_code == 0, result.output
    for tower in ("made_image", "made_text"):
        assert f"{tower}: smallest cosine to PyTorch 1.000000" in result.output
        assert (tmp_path / "repository" / tower / "1" / "model.onnx").is_file()


def test_a_multilingual_encoder_is_exported_with_its_own_kind_of_tokenizer(tmp_path: Path) -> None:
    checkpoint = tiny_sentence_encoder(tmp_path / "multilingual-e5-tiny", "xlm_roberta")
    own = AutoTokenizer.from_pretrained(checkpoint)
    assert type(own).__name__ == "XLMRobertaTokenizer"
    result = export("text", checkpoint, tmp_path / "repository")
    assert result.exit_code == 0, result.output
    assert "query 'query: ', passage 'passage: '" in result.output
    about = read_manifest(tmp_path / "repository", "made", TextManifest)
    path = tmp_path / "repository" / "made" / about.tokenizer
    tokens = TextTokens(path, max_length=about.max_length, pad_token_id=about.pad_token_id)
    texts = ["query: the cat", "шкики 水光", "  äé  ing ", "query: unseen Ωβ"]
    assert tokens.ids(texts) == own(texts)["input_ids"]
    assert tokens.pad(tokens.ids(["a"]))["input_ids"][0, -1] == own.pad_token_id == 1


def _hear_ctrl_c() -> None:
    """Jobs that a shell starts in the background are deaf to it, and so is what they start."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def export_stopped_by(number: signal.Signals, checkpoint: str, repository: Path) -> int:
    """Exit status of an export that gets a signal while its second tower is traced."""
    command = [sys.executable, "-m", "cli.main", "export", "clip", checkpoint]
    options = ["--name", "made", "--repository", str(repository), "--replace"]
    with subprocess.Popen(
        [*command, *options], cwd=CHECKOUT, stderr=subprocess.PIPE, text=True, preexec_fn=_hear_ctrl_c
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            # The picture tower is written by now, into its place for the time being.
            if "Tracing the text tower" in line:
                process.send_signal(number)
        return process.wait(60)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_export_that_is_stopped_leaves_the_repository_as_it_was(tmp_path: Path, number: signal.Signals) -> None:
    checkpoint = str(tiny_clip(tmp_path / "clip"))
    for number_of_try in range(5):
        repository = tmp_path / f"repository-{number_of_try}"
        publish(repository, "made_image", "other", content="old")
        before = listing(repository)
        status = export_stopped_by(number, checkpoint, repository)
        if status != 0:
            break
        # On a busy machine so small a tower may be exported before the signal is sent.
    assert status == 130
    assert listing(repository) == before
    assert sorted(path.name for path in repository.iterdir()) == ["made_image", "other"]


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
