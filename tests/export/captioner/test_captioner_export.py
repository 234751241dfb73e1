"""A tiny BLIP exported: the decoder with its cache against transformers, and what happens when it is wrong."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

torch = pytest.importorskip("torch", reason="runs in the export environment: `make test-export`")
pytestmark = pytest.mark.export_env

from cli.export import app  # noqa: E402
from contracts.errors import Conflict, InvalidInput  # noqa: E402
from export.captioner.build import export_captioner  # noqa: E402
from export.captioner.network import PictureEncoder, WordStep, load_captioner  # noqa: E402
from export.captioner.parity import check_captions, serving_code  # noqa: E402
from export.checkpoints import open_checkpoint  # noqa: E402
from export.request import ExportRequest  # noqa: E402
from export.sample_inputs import SAMPLES, sample_pictures  # noqa: E402
from export.text_encoder.checkpoint import CheckpointError  # noqa: E402
from export.text_encoder.parity import ParityError  # noqa: E402
from tests.export.captioner.tiny import MAX_TOKENS, POSITIONS, transformers_captions, write_checkpoint  # noqa: E402
from tests.export.checkpoints import tiny_clip  # noqa: E402


def files_of(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("blip") / "tiny-blip")


@pytest.fixture(scope="module")
def repository(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    export_captioner(open_checkpoint(str(checkpoint)), ExportRequest(folder, "captioner"))
    return folder


def test_captions_of_a_batch_are_transformers_of_each_picture_alone(checkpoint: Path, repository: Path) -> None:
    pictures = sample_pictures(SAMPLES, 12)
    loaded = load_captioner(open_checkpoint(str(checkpoint)))
    served = serving_code().Captioner(repository / "captioner" / "1", threads=1)
    captions = served.tokens(np.stack([loaded.pixels(each) for each in pictures]), [MAX_TOKENS] * len(pictures))
    wanted = transformers_captions(checkpoint, pictures)
    assert captions == [each["tokens"] for each in wanted]
    assert [served.words(tokens) for tokens in captions] == [each["words"] for each in wanted]
    # Some end by themselves, at different lengths, and some at the limit.
    assert len(set(map(len, captions))) > 2


def test_every_picture_has_a_limit_of_its_own_and_the_positions_are_the_last_one(repository: Path) -> None:
    served = serving_code().Captioner(repository / "captioner" / "1", threads=1)
    noise = np.random.default_rng(7).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    limits = [1, 4, 10_000]
    together = served.tokens(noise, limits)
    assert [len(each) <= most for each, most in zip(together, (1, 4, POSITIONS - 1), strict=True)] == [True] * 3
    assert together == [served.tokens(noise[i : i + 1], [most])[0] for i, most in enumerate(limits)]


def test_the_cache_gives_the_logits_that_transformers_computes_anew(checkpoint: Path) -> None:
    loaded = load_captioner(open_checkpoint(str(checkpoint)))
    encoder = PictureEncoder(loaded.model, loaded.preprocessing).eval()
    step = WordStep(loaded.model.text_decoder).eval()
    generator = torch.Generator().manual_seed(11)
    image = torch.randint(0, 256, (2, 32, 32, 3), generator=generator, dtype=torch.uint8)
    tokens = torch.randint(0, loaded.text.vocab_size, (2, 9), generator=generator)
    layers, two, heads, head = loaded.cache_shape
    past = torch.zeros((2, layers, two, heads, 0, head))
    with torch.inference_mode():
        states, cross = encoder(image)
        for place in range(tokens.shape[1]):
            logits, past = step(tokens[:, place], past, cross)
        wanted = loaded.model.text_decoder(tokens, encoder_hidden_states=states, use_cache=False).logits[:, -1]
    torch.testing.assert_close(logits, wanted, atol=1e-4, rtol=1e-4)


def test_the_manifest_says_how_pictures_are_prepared_and_what_was_compared(repository: Path) -> None:
    manifest = json.loads((repository / "captioner" / "manifest.json").read_text())
    assert (manifest["image_size"], manifest["resize"], manifest["licence"]) == (32, "stretch", "bsd-3-clause")
    assert manifest["parity"]["captions"] == 16
    assert manifest["parity"]["states"]["min_cosine"] > 0.9999
    assert {path.name for path in (repository / "captioner" / "1").iterdir()} == {
        "encoder.onnx",
        "decoder.onnx",
        "tokenizer.json",
        "captioner.json",
    }


def test_a_decoder_that_begins_with_another_word_fails_the_gate(
    checkpoint: Path, repository: Path, tmp_path: Path
) -> None:
    version = tmp_path / "1"
    shutil.copytree(repository / "captioner" / "1", version)
    facts = json.loads((version / "captioner.json").read_text())
    (version / "captioner.json").write_text(json.dumps(facts | {"start_token_id": 7}))
    loaded = load_captioner(open_checkpoint(str(checkpoint)))
    with pytest.raises(ParityError, match="captions are transformers' token by token"):
        check_captions(version, loaded, sample_pictures(SAMPLES, 8))


def test_a_failed_gate_leaves_the_captioner_that_was_there(
    checkpoint: Path, repository: Path, tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    models, broken = tmp_path / "models", tmp_path / "broken"
    shutil.copytree(repository, models)
    shutil.copytree(checkpoint, broken)
    tensors = load_file(broken / "model.safetensors")
    next(tensor for name, tensor in tensors.items() if "vision_model" in name)[...] = float("nan")
    save_file(tensors, broken / "model.safetensors", metadata={"format": "pt"})
    before = files_of(models)
    with pytest.raises(ParityError, match="picture encoder"):
        export_captioner(open_checkpoint(str(broken)), ExportRequest(models, "captioner", replace=True))
    assert files_of(models) == before


def test_what_is_no_captioner_is_named_and_nothing_is_written(checkpoint: Path, tmp_path: Path) -> None:
    request = ExportRequest(tmp_path / "models", "captioner")
    with pytest.raises(CheckpointError, match="architecture 'clip'"):
        export_captioner(open_checkpoint(str(tiny_clip(tmp_path / "clip"))), request)
    answering = tmp_path / "vqa"
    shutil.copytree(checkpoint, answering)
    config = json.loads((answering / "config.json").read_text())
    (answering / "config.json").write_text(json.dumps(config | {"architectures": ["BlipForQuestionAnswering"]}))
    with pytest.raises(CheckpointError, match="BlipForQuestionAnswering"):
        export_captioner(open_checkpoint(str(answering)), request)
    assert not request.repository.exists()


def test_other_precisions_are_refused_before_the_work(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="fp32"):
        export_captioner(
            open_checkpoint(str(checkpoint)), ExportRequest(tmp_path / "models", "captioner", precision="int8")
        )


def test_the_command_exports_and_says_so(checkpoint: Path, tmp_path: Path) -> None:
    options = ["--repository", str(tmp_path / "models")]
    result = CliRunner().invoke(app, ["captioner", str(checkpoint), *options], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert "16 captions" in result.output
    assert (tmp_path / "models" / "captioner" / "config.pbtxt").is_file()
    with pytest.raises(Conflict, match="--replace"):
        CliRunner().invoke(app, ["captioner", str(checkpoint), *options], catch_exceptions=False)
