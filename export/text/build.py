"""Exports a sentence encoder as one model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from export.checkpoints import Checkpoint
from export.parity import ParityFigures
from export.publish import VERSION, publication, refuse_taken_names
from export.request import ExportRequest, Progress, quiet
from export.sample_inputs import sample_texts, split
from export.shapes import TowerShapes
from export.text.pooling import Pooling, Prefixes, read_pooling, read_prefixes
from export.text.towers import LoadedEncoder, load_encoder
from export.tower import Tower, write_tower

MAX_TEXTS = 256
_BATCH = 8


@dataclass(frozen=True, slots=True)
class TextReport:
    """What was exported, and figures."""

    model: str
    dim: int
    max_length: int
    pooling: Pooling
    prefixes: Prefixes
    parity: ParityFigures


def export_text(
    checkpoint: Checkpoint,
    request: ExportRequest,
    *,
    pooling: Pooling | None = None,
    query_prefix: str | None = None,
    passage_prefix: str | None = None,
    progress: Progress = quiet,
) -> TextReport:
    """Export the encoder; the repository changes only when it has passed.

    Args:
        pooling: where the checkpoint's files do not say.
        query_prefix, passage_prefix: instead of the checkpoint's own.

    Raises:
        CheckpointError: it cannot be loaded. ParityError: the gate was failed.
        InvalidInput: nothing to compare with. Conflict, DependencyFailed: see `publication`.
    """
    refuse_taken_names(request.repository, [request.name], replace=request.replace)
    progress(f"Loading {checkpoint.source}")
    encoder = load_encoder(checkpoint, read_pooling(checkpoint, pooling))
    prefixes = read_prefixes(checkpoint, query_prefix, passage_prefix)
    tower = sentence_tower(encoder, request, _tuned_length(checkpoint), prefixes)
    with publication(request.repository, [request.name], replace=request.replace) as folders:
        encoder.tokenizer.write(folders[request.name] / VERSION / "tokenizer.json")
        parity = write_tower(folders[request.name], tower, checkpoint, request, progress)
    return TextReport(request.name, encoder.dim, encoder.tokenizer.max_length, encoder.pooling, prefixes, parity)


def sentence_tower(
    encoder: LoadedEncoder, request: ExportRequest, tuned_length: int | None, prefixes: Prefixes
) -> Tower:
    """The encoder with real texts: every second one calibrates, the others compare, as passages."""
    tokenizer = encoder.tokenizer
    texts = [prefixes.passage + text for text in sample_texts(request.samples, MAX_TEXTS)]
    calibration, comparison = split(tokenizer.fitting(texts))
    wanted = encoder.torch_vectors(comparison)
    return Tower(
        label="text encoder",
        module=encoder.tower(),
        shapes=TowerShapes("text", tokenizer.max_length, encoder.dim),
        calibration=tokenizer.batches(calibration, _BATCH),
        comparison=tokenizer.batches(comparison, _BATCH),
        wanted=wanted,
        facts={
            "max_length": tokenizer.max_length,
            "trained_length": tuned_length or tokenizer.max_length,
            "vocab_size": int(encoder.model.config.vocab_size),
            "pad_token_id": tokenizer.pad_token_id,
            "tokenizer": f"{VERSION}/tokenizer.json",
            "pooling": encoder.pooling,
            "query_prefix": prefixes.query,
            "passage_prefix": prefixes.passage,
            # A joint space needs the two CLIP towers as well.
            "space_id": None,
            "mean_vector": [round(float(value), 7) for value in wanted.mean(axis=0)],
        },
    )


def _tuned_length(checkpoint: Checkpoint) -> int | None:
    """The longest text that the checkpoint was tuned on, where it says so."""
    settings: dict[str, Any] = checkpoint.read_json("sentence_bert_config.json") or {}
    length = settings.get("max_seq_length")
    return int(length) if length else None
