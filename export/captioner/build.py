"""Exports a captioner as the model `captioner`."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import torch

from contracts.errors import InvalidInput
from export.captioner.config import render_config
from export.captioner.network import LoadedCaptioner, PictureEncoder, WordStep, load_captioner
from export.captioner.parity import CaptionFigures, check_captions
from export.checkpoints import Checkpoint
from export.publish import VERSION, publication, refuse_taken_names, write_manifest
from export.request import ExportRequest, Progress, quiet
from export.sample_inputs import sample_pictures
from export.tracing import OPSET, trace_graph

MAX_PICTURES = 16


@dataclass(frozen=True, slots=True)
class CaptionerReport:
    """What was exported, and figures."""

    model: str
    image_size: int
    parity: CaptionFigures


def export_captioner(
    checkpoint: Checkpoint, request: ExportRequest, *, progress: Progress = quiet
) -> CaptionerReport:
    """Export the captioner; the repository changes only when it has passed.

    Raises:
        CheckpointError: it cannot be loaded. ParityError: the gate was failed.
        InvalidInput: another precision than fp32, or no pictures to compare with.
        Conflict, DependencyFailed: see `publication`.
    """
    if request.precision != "fp32":
        raise InvalidInput("A captioner is exported in fp32.")
    refuse_taken_names(request.repository, [request.name], replace=request.replace)
    progress(f"Loading {checkpoint.source}")
    loaded = load_captioner(checkpoint)
    pictures = sample_pictures(request.samples, MAX_PICTURES)
    with publication(request.repository, [request.name], replace=request.replace) as folders:
        folder = folders[request.name]
        version = folder / VERSION
        progress("Tracing the picture encoder and the decoder")
        _trace(loaded, version)
        loaded.tokenizer.write(version / "tokenizer.json")
        _write_facts(loaded, version)
        progress(f"Comparing captions of {len(pictures)} pictures with transformers")
        parity = check_captions(version, loaded, pictures)
        _describe(folder, loaded, checkpoint, parity)
    return CaptionerReport(request.name, loaded.preprocessing.image_size, parity)


def _trace(loaded: LoadedCaptioner, version: Path) -> None:
    size = loaded.preprocessing.image_size
    batch = torch.export.Dim("batch", min=1, max=64)
    past = torch.export.Dim("past", min=1, max=int(loaded.text.max_position_embeddings) - 1)
    encoder = PictureEncoder(loaded.model, loaded.preprocessing)
    image = torch.zeros((2, size, size, 3), dtype=torch.uint8)
    trace_graph(encoder, {"image": image}, ["states", "cross"], {"image": {0: batch}}, version / "encoder.onnx")
    with torch.inference_mode():
        _, cross = encoder(image)
    layers, two, heads, head = loaded.cache_shape
    inputs = {
        "token": torch.zeros(2, dtype=torch.int64),
        "past": torch.zeros((2, layers, two, heads, 3, head)),
        "cross": cross.clone(),
    }
    free = {"token": {0: batch}, "past": {0: batch, 4: past}, "cross": {0: batch}}
    trace_graph(WordStep(loaded.model.text_decoder), inputs, ["logits", "present"], free, version / "decoder.onnx")


def _write_facts(loaded: LoadedCaptioner, version: Path) -> None:
    """What the backend needs to know beside the graphs."""
    facts = {
        "image_size": loaded.preprocessing.image_size,
        "start_token_id": int(loaded.text.bos_token_id),
        "end_token_id": int(loaded.text.sep_token_id),
        "max_positions": int(loaded.text.max_position_embeddings),
        "cache_shape": loaded.cache_shape,
    }
    (version / "captioner.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


def _describe(folder: Path, loaded: LoadedCaptioner, checkpoint: Checkpoint, parity: CaptionFigures) -> None:
    how = loaded.preprocessing
    (folder / "config.pbtxt").write_text(render_config(folder.name, how.image_size), encoding="utf-8")
    write_manifest(
        folder,
        {
            "model": folder.name,
            "source": checkpoint.source,
            "revision": checkpoint.revision,
            "licence": checkpoint.licence,
            "architecture": checkpoint.model_type,
            "precision": "fp32",
            "opset": OPSET,
            **dataclasses.asdict(how),
            "tokenizer": f"{VERSION}/tokenizer.json",
            "sha256": _sha256_of(folder / VERSION),
            "parity": dataclasses.asdict(parity),
        },
    )


def _sha256_of(version: Path) -> str:
    """Over both graphs, the weights that lie beside them, and the tokenizer that gives the words."""
    digest = hashlib.sha256()
    for path in sorted(version.iterdir()):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
