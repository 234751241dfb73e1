"""How a checkpoint wants its pictures: read from its own processor, split between callers and graph.

Callers (`encoding.pictures.to_tensor`) resize and crop 8-bit pixels; the graph scales and normalises.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from PIL import Image
from transformers import AutoImageProcessor

from encoding.pictures import CropRounding, Interpolation, ResizeRule
from export.checkpoints import Checkpoint, told_load_errors
from export.text_encoder.checkpoint import CheckpointError

OPENAI_MEAN = (0.48145466, 0.4578275, 0.40821073)
OPENAI_STD = (0.26862954, 0.26130258, 0.27577711)
"""What open_clip uses where a checkpoint names no others (open_clip/constants.py)."""


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """Fields as in `encoding.manifests.ImageManifest`; a pixel p becomes (p * scale - mean) / std, by channel."""

    image_size: int
    resize: ResizeRule
    interpolation: Interpolation
    shortest_edge: int | None
    crop_rounding: CropRounding
    scale: float
    mean: tuple[float, ...]
    std: tuple[float, ...]


def load_processor(checkpoint: Checkpoint) -> Any:
    """The checkpoint's own image processor, on Pillow.

    Raises:
        CheckpointError: there is none, or of a kind that transformers does not know.
    """
    with told_load_errors(checkpoint):
        return AutoImageProcessor.from_pretrained(
            checkpoint.folder, local_files_only=True, trust_remote_code=False, backend="pil"
        )


def from_processor(processor: Any) -> Preprocessing:
    """What a transformers image processor does, in our words.

    Raises:
        CheckpointError: it does something that `to_tensor` cannot.
    """
    size = _edges(processor.size)
    crop = _edges(getattr(processor, "crop_size", None)) if getattr(processor, "do_center_crop", False) else None
    if not processor.do_resize or getattr(processor, "do_pad", False):
        raise CheckpointError("The checkpoint's image processor pads, or does not resize: that is not supported.")
    if isinstance(size, int):
        image_size, edge, rule = _square(crop or (size, size)), size, "shortest_edge_center_crop"
        if image_size > edge:
            raise CheckpointError("The checkpoint's image processor crops more than it resizes to.")
    else:
        image_size, edge, rule = _square(size), None, "stretch"
        if crop not in (None, size):
            raise CheckpointError("The checkpoint's image processor crops after stretching: not supported.")
    normal = processor.do_normalize
    return Preprocessing(
        image_size=image_size,
        resize=rule,  # type: ignore[arg-type]
        interpolation=Image.Resampling(processor.resample).name.lower(),  # type: ignore[arg-type]
        shortest_edge=edge,
        crop_rounding="down",
        scale=float(processor.rescale_factor) if processor.do_rescale else 1.0,
        mean=tuple(map(float, processor.image_mean)) if normal else (0.0,) * 3,
        std=tuple(map(float, processor.image_std)) if normal else (1.0,) * 3,
    )


def from_open_clip(config: dict[str, Any]) -> Preprocessing:
    """What open_clip's transform does for a checkpoint (open_clip/transform.py, image_transform_v2).

    Raises:
        CheckpointError: it pads, which `to_tensor` does on white and open_clip on black.
    """
    settings = config.get("preprocess_cfg", {})
    size = settings.get("size") or config["model_cfg"]["vision_cfg"].get("image_size", 224)
    size = _square(tuple(size)) if isinstance(size, list | tuple) else int(size)
    mode = settings.get("resize_mode") or "shortest"
    if mode not in ("shortest", "squash"):
        raise CheckpointError(f"The checkpoint resizes pictures by the rule '{mode}': that is not supported.")
    # "random" is for training; open_clip evaluates by bicubic then.
    bilinear = settings.get("interpolation") == "bilinear"
    return Preprocessing(
        image_size=size,
        resize="stretch" if mode == "squash" else "shortest_edge_center_crop",
        interpolation="bilinear" if bilinear else "bicubic",
        shortest_edge=None if mode == "squash" else size,
        crop_rounding="nearest",
        scale=1 / 255,
        mean=tuple(settings.get("mean") or OPENAI_MEAN),
        std=tuple(settings.get("std") or OPENAI_STD),
    )


def _edges(size: Any) -> Any:
    """An int for a shortest edge, (height, width) for both; transformers has had three spellings."""
    if size is None or isinstance(size, int):
        return size
    shortest = size.get("shortest_edge")
    return int(shortest) if shortest else (int(size["height"]), int(size["width"]))


def _square(edges: Any) -> int:
    height, width = (edges, edges) if isinstance(edges, int) else edges
    if height != width:
        raise CheckpointError("The checkpoint takes pictures that are not square: that is not supported.")
    return int(height)
