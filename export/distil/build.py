"""Writes `clip_image_distilled` into the model repository from the checked-in student, if admitted. No PyTorch."""

from pathlib import Path

import msgspec
import numpy as np
from safetensors.numpy import load_file

from contracts.space import Space
from contracts.tensors import CLIP_IMAGE_DISTILLED
from export.demo_clip.build import compare_vectors, place_version
from export.demo_clip.config import (
    DIM,
    DISTILLED_CARD,
    DISTILLED_VECTORS,
    DISTILLED_WEIGHTS,
    IMAGE_SIZE,
    MEAN,
    STD,
)
from export.demo_clip.graph import OPSET, build_graph, read_weights
from export.demo_clip.heldout import read_heldout
from export.distil.admission import NotAdmitted, admit
from export.distil.card import Card, read_card, sha256_of


def export_distilled(repository: Path, space: Space) -> Path:
    """Write `clip_image_distilled/1/model.onnx` and its manifest; returns the version folder.

    Before anything is written, the card's figures pass the gate of this space, and the graph gives PyTorch's
    recorded vectors. Takes about a second.

    Raises:
        NotAdmitted: the figures are too low, or were measured with other weights or another teacher.
        ParityError: the graph is not the network that was trained.
    """
    card = read_card(DISTILLED_CARD)
    sha256 = sha256_of(DISTILLED_WEIGHTS)
    if card.weights_sha256 != sha256:
        raise NotAdmitted("The distilled student's card was written for other weights: record it again.")
    admitted = admit(space, card.teacher_sha256, card.figures)
    model = build_graph(read_weights(DISTILLED_WEIGHTS), CLIP_IMAGE_DISTILLED)
    reference = np.asarray(load_file(DISTILLED_VECTORS)["reference"], np.float32)
    parity = compare_vectors(model, read_heldout().pictures, reference)
    manifest = _manifest(card, sha256, parity) | {"admitted": msgspec.to_builtins(admitted)}
    return place_version(repository / CLIP_IMAGE_DISTILLED, model, manifest)


def _manifest(card: Card, sha256: str, parity: dict[str, float]) -> dict[str, object]:
    return {
        "model": CLIP_IMAGE_DISTILLED,
        "source": f"{card.model}, {card.trained}",
        "licence": "Apache-2.0",
        "precision": "fp32 (weights kept as fp16)",
        "opset": OPSET,
        "dim": DIM,
        "image_size": IMAGE_SIZE,
        "resize": "pad_square",
        "interpolation": "bicubic",
        "mean": MEAN,
        "std": STD,
        "normalising": "in the graph",
        "normalised": True,
        "sha256": sha256,
        "teacher_sha256": card.teacher_sha256,
        "flops": card.flops,
        "flops_ratio": round(card.flops_ratio, 2),
        "parity": parity,
    }
