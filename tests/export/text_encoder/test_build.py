"""The text encoder's export, from the checkpoint that the set-up fetched. Needs no torch."""

import json
from pathlib import Path

import numpy as np
import pytest

from export.text_encoder import parity
from export.text_encoder.build import export_model, export_text_encoder, is_current
from export.text_encoder.checkpoint import CheckpointError, read_tensor_table
from export.text_encoder.parity import ParityError, compare, encode, reference_texts, reference_vectors
from tests.export.text_encoder.conftest import CHECKPOINT

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the text encoder in it."""
    if not CHECKPOINT.is_dir():
        pytest.skip("the checkpoint is not here: run `make setup`")
    folder = tmp_path_factory.mktemp("repository")
    export_text_encoder(folder, CHECKPOINT)
    return folder


@pytest.fixture(scope="module")
def version(repository: Path) -> Path:
    return repository / "text_encoder" / "1"


def test_the_export_gives_pytorchs_vectors(version: Path) -> None:
    found = encode(version, reference_texts(), 512)
    assert compare(found, reference_vectors()).min_cosine > 1 - 1e-6


def test_padding_and_batch_change_no_vector(version: Path) -> None:
    alone = encode(version, reference_texts(), 512)
    together = encode(version, reference_texts(), 512, batch_size=len(reference_texts()))
    # Sums of another length are added in another order.
    np.testing.assert_allclose(alone, together, atol=1e-6)


def test_vectors_have_length_one(version: Path) -> None:
    norms = np.linalg.norm(encode(version, reference_texts(), 512), axis=1)
    np.testing.assert_allclose(norms, 1.0, atol=1e-6)


def test_the_tokenizer_neither_cuts_nor_pads_by_itself(version: Path) -> None:
    tokenizer = json.loads((version / "tokenizer.json").read_text())
    assert tokenizer["truncation"] is None
    assert tokenizer["padding"] is None


def test_the_manifest_says_what_callers_need(repository: Path) -> None:
    manifest = json.loads((repository / "text_encoder" / "manifest.json").read_text())
    assert (manifest["dim"], manifest["max_length"], manifest["vocab_size"]) == (384, 512, 30522)
    assert (repository / "text_encoder" / manifest["tokenizer"]).is_file()
    assert manifest["parity"]["min_cosine"] > 0.9999


def test_a_second_export_has_nothing_to_do(repository: Path) -> None:
    before = (repository / "text_encoder" / "1" / "model.onnx").stat()
    assert is_current(repository, CHECKPOINT, "text_encoder")
    export_text_encoder(repository, CHECKPOINT)
    assert (repository / "text_encoder" / "1" / "model.onnx").stat().st_ino == before.st_ino


def damaged_checkpoint(folder: Path) -> Path:
    """A checkpoint whose files are all there, with one weight matrix of another scale."""
    folder.mkdir()
    for name in ("tokenizer.json", "config.json", "sentence_bert_config.json"):
        (folder / name).write_bytes((CHECKPOINT / name).read_bytes())
    weights = bytearray((CHECKPOINT / "model.safetensors").read_bytes())
    stored = read_tensor_table(CHECKPOINT / "model.safetensors")["encoder.layer.3.output.dense.weight"]
    end = stored.offset + stored.size_bytes
    matrix = np.frombuffer(bytes(weights[stored.offset : end]), dtype="<f4")
    weights[stored.offset : end] = (matrix * -1).astype("<f4").tobytes()
    # Another size makes another build key, as another checkpoint has.
    (folder / "model.safetensors").write_bytes(bytes(weights) + b"\0")
    return folder


def test_an_export_that_departs_from_pytorch_leaves_the_repository_as_it_was(
    repository: Path, tmp_path: Path
) -> None:
    model = repository / "text_encoder"
    before = sorted((path, path.stat().st_ino) for path in model.rglob("*"))
    with pytest.raises(ParityError, match="cosine"):
        export_text_encoder(repository, damaged_checkpoint(tmp_path / "damaged"))
    assert sorted((path, path.stat().st_ino) for path in model.rglob("*")) == before


def test_a_truncated_checkpoint_is_refused_before_anything_is_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "cut"
    folder.mkdir()
    for name in ("tokenizer.json", "config.json", "sentence_bert_config.json"):
        (folder / name).write_bytes((CHECKPOINT / name).read_bytes())
    with (CHECKPOINT / "model.safetensors").open("rb") as whole:
        (folder / "model.safetensors").write_bytes(whole.read(1_000_000))
    with pytest.raises(CheckpointError, match="cut short"):
        export_model(tmp_path / "repository", folder, "text_encoder")
    assert list((tmp_path / "repository").rglob("*")) == []


def test_the_reference_covers_lengths_from_nothing_to_beyond_the_limit() -> None:
    lengths = sorted(len(text) for text in parity.reference_texts())
    assert lengths[0] == 0
    assert lengths[-1] > 5000
    assert len(lengths) >= 12
