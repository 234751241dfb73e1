"""Exports a CLIP checkpoint as two models, `<name>_image` and `<name>_text`: both or none."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from export.checkpoints import Checkpoint
from export.clip.pairs import read_pairs
from export.clip.projection import ProjectionFigures, check_projection, fit_projection
from export.clip.towers import LoadedClip, load_clip
from export.parity import ParityFigures, Vectors
from export.publish import VERSION, publication, refuse_taken_names
from export.quantise import Feeds
from export.request import ExportRequest, Progress, quiet
from export.sample_inputs import sample_pictures, sample_texts, split, with_crops
from export.shapes import TowerShapes
from export.tower import Tower, write_tower

MAX_PICTURES = 48
MAX_TEXTS = 256
CALIBRATION_PICTURES = 96
"""Fewer are filled up with crops: by 8 pictures alone ViT-B/32's smallest cosine was 0.985, with crops 0.995."""
_PROJECTION_TEXTS = 2000
_BATCH = 8


@dataclass(frozen=True, slots=True)
class ClipReport:
    """What was exported: the models' names, and figures."""

    image_model: str
    text_model: str
    dim: int
    image_parity: ParityFigures
    text_parity: ParityFigures
    projection: ProjectionFigures | None


def export_clip(
    checkpoint: Checkpoint,
    request: ExportRequest,
    *,
    dim: int | None = None,
    pairs: Path | None = None,
    progress: Progress = quiet,
) -> ClipReport:
    """Export both towers; the repository changes only when both have passed.

    Args:
        dim: width to project both towers to; the checkpoint's own when absent.
        pairs: pictures with captions for the projection, see `read_pairs`.

    Raises:
        CheckpointError: it cannot be loaded. ParityError: a gate was failed.
        InvalidInput: nothing to compare with. Conflict, DependencyFailed: see `publication`.
    """
    image_model, text_model = f"{request.name}_image", f"{request.name}_text"
    refuse_taken_names(request.repository, [image_model, text_model], replace=request.replace)
    progress(f"Loading {checkpoint.source}")
    clip = load_clip(checkpoint)
    projection = None
    if dim is not None and dim != clip.dim:
        progress(f"Fitting a projection from {clip.dim} to {dim} dimensions")
        clip, projection = _project(clip, request, dim, pairs)
    facts = {"projection": _projection_facts(clip, projection)} if projection else {}
    image, text = image_tower(clip, request, facts), text_tower(clip, request, facts)
    with publication(request.repository, [image_model, text_model], replace=request.replace) as folders:
        image_parity = write_tower(folders[image_model], image, checkpoint, request, progress)
        clip.tokenizer.write(folders[text_model] / VERSION / "tokenizer.json")
        text_parity = write_tower(folders[text_model], text, checkpoint, request, progress)
    return ClipReport(image_model, text_model, clip.dim, image_parity, text_parity, projection)


def image_tower(clip: LoadedClip, request: ExportRequest, facts: dict[str, Any]) -> Tower:
    """The image tower with real pictures: every second one calibrates, the others compare."""
    pictures = sample_pictures(request.samples, MAX_PICTURES)
    calibration, comparison = split(pictures)
    if request.precision == "int8":
        calibration = with_crops(calibration, CALIBRATION_PICTURES)
    how = clip.preprocessing
    wanted = clip.torch_image_vectors(comparison)
    return Tower(
        label="image tower",
        module=clip.image_tower(),
        shapes=TowerShapes("image", how.image_size, clip.dim),
        calibration=_picture_batches(clip, calibration),
        comparison=_picture_batches(clip, comparison),
        wanted=wanted,
        facts={**dataclasses.asdict(how), "normalising": "in the graph", **facts, **_means(wanted)},
    )


def text_tower(clip: LoadedClip, request: ExportRequest, facts: dict[str, Any]) -> Tower:
    """The text tower with real texts, from single words to the longest that it takes."""
    tokenizer = clip.tokenizer
    calibration, comparison = split(tokenizer.fitting(sample_texts(request.samples, MAX_TEXTS)))
    wanted = clip.torch_text_vectors(comparison)
    return Tower(
        label="text tower",
        module=clip.text_tower(),
        shapes=TowerShapes("text", tokenizer.max_length, clip.dim),
        calibration=tokenizer.batches(calibration, _BATCH),
        comparison=tokenizer.batches(comparison, _BATCH),
        wanted=wanted,
        facts={
            "max_length": tokenizer.max_length,
            "pad_token_id": tokenizer.pad_token_id,
            "tokenizer": f"{VERSION}/tokenizer.json",
            "pooling": "at the first end-of-text token" if clip.text_tower().end is not None else "pooler",
            **facts,
            **_means(wanted),
        },
    )


def _project(
    clip: LoadedClip, request: ExportRequest, dim: int, folder: Path | None
) -> tuple[LoadedClip, ProjectionFigures]:
    """Fit on half of the pairs and on the samples, check on the other half."""
    pairs = read_pairs(folder)
    fitted, held_out = pairs.part(0), pairs.part(1)
    texts = clip.tokenizer.fitting(sample_texts(request.samples, _PROJECTION_TEXTS))
    captions = list(dict.fromkeys(fitted.captions))
    picture_vectors = clip.torch_image_vectors(fitted.pictures)
    projection, kept = fit_projection(picture_vectors, clip.torch_text_vectors([*captions, *texts]), dim)
    figures = check_projection(
        projection,
        clip.torch_image_vectors(held_out.pictures),
        clip.torch_text_vectors(held_out.captions),
        held_out.subjects,
        kept,
    )
    return clip.projected(torch.from_numpy(projection)), figures


def _projection_facts(clip: LoadedClip, figures: ProjectionFigures) -> dict[str, Any]:
    return {"from_dim": int(clip.model.text_projection.out_features), **dataclasses.asdict(figures)}


def _means(vectors: Vectors) -> dict[str, Any]:
    """The tower's mean over the sample. No space id: a space needs a third tower, the text encoder."""
    return {"space_id": None, "mean_vector": [round(float(value), 7) for value in vectors.mean(axis=0)]}


def _picture_batches(clip: LoadedClip, pictures: Sequence[Image.Image]) -> list[Feeds]:
    pixels = [clip.pixels(picture) for picture in pictures]
    return [{"image": np.stack(pixels[start : start + _BATCH])} for start in range(0, len(pixels), _BATCH)]
