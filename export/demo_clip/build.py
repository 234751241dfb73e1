"""Writes `clip_image` into the model repository from the checked-in weights, and its manifest. No PyTorch."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from contracts.errors import ConfigurationError
from export.demo_clip.config import CARD, DIM, IMAGE_SIZE, MEAN, STD, WEIGHTS
from export.demo_clip.graph import OPSET, build_graph, read_weights
from export.demo_clip.heldout import Vectors, embed_pictures, read_heldout
from export.version_folder import put_in_place, staged_version

MODEL = "clip_image"
MIN_COSINE = 0.9999
"""float32 on both sides and the same network: what is left is the order of additions."""


class ParityError(ConfigurationError):
    """The exported graph does not give PyTorch's vectors."""


def export_clip_image(repository: Path) -> Path:
    """Write `clip_image/1/model.onnx` and `clip_image/manifest.json`; returns the version folder.

    The graph is compared with PyTorch's recorded vectors before anything is written. Takes about a second.

    Raises:
        ParityError: the graph is not the network that was trained; the repository is left as it was.
    """
    model = build_graph(read_weights())
    parity = check_parity(model)
    return place_version(repository / MODEL, model, _manifest(parity))


def place_version(folder: Path, model: onnx.ModelProto, manifest: Mapping[str, object]) -> Path:
    """Put a checked model in the place of version 1 of `folder`, with its manifest; returns the version folder.

    The version is staged beside the one it replaces, and moved into place when it is written.
    """
    with staged_version(folder) as staged:
        onnx.save(model, staged / "model.onnx")
        return put_in_place(folder, staged, json.dumps(manifest, indent=2) + "\n")


def check_parity(model: onnx.ModelProto) -> dict[str, float]:
    """Compares the graph with PyTorch's recorded vectors of held-out pictures.

    Raises:
        ParityError: a cosine is below MIN_COSINE.
    """
    heldout = read_heldout()
    return compare_vectors(model, heldout.pictures, heldout.reference)


def compare_vectors(model: onnx.ModelProto, pictures: NDArray[np.uint8], reference: Vectors) -> dict[str, float]:
    """Compares the graph's vectors of the first pictures with PyTorch's of the same. Raises as `check_parity`."""
    n = len(reference)
    vectors = embed_pictures(model.SerializeToString(), pictures[:n])
    cosines = (vectors * reference).sum(axis=1)
    worst = float(cosines.min())
    if n == 0 or not worst >= MIN_COSINE:
        raise ParityError(f"cosine {worst:.6f} to PyTorch's vectors is below {MIN_COSINE}")
    largest = float(np.abs(vectors - reference).max())
    return {"pictures": n, "min_cosine": round(worst, 7), "max_abs_error": round(largest, 8)}


def _manifest(parity: Mapping[str, float]) -> dict[str, object]:
    card = json.loads(CARD.read_text(encoding="utf-8"))
    return {
        "model": MODEL,
        "source": f"{card['model']}, {card['training']['trained']}",
        "licence": card["licence"],
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
        "sha256": hashlib.sha256(WEIGHTS.read_bytes()).hexdigest(),
        "parity": parity,
        "held_out": card["held_out"]["as trained"]["all"],
    }
