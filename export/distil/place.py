"""Puts the student of a space's picture tower beside it, where the gate admits it. No PyTorch.

The student's own manifest names the space that admitted it, as decision 0005 says; `space.json`, whose hash is the
space's id, stays as it is.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from contracts.tensors import CLIP_IMAGE, CLIP_IMAGE_DISTILLED
from encoding.manifests import ImageManifest, PictureRule, load_space, read_manifest
from export.demo_clip.config import MEAN, STD
from export.demo_clip.graph import OPSET
from export.distil.admission import Admission, admit, check_teacher
from export.distil.card import Card, sha256_of
from export.distil.folder import MODEL_FILE, WEIGHTS_FILE
from export.model_config import write_configs
from export.publish import VERSION, publication, refuse_taken_names, write_manifest
from export.shapes import TowerShapes


def check_place(repository: Path, *, replace: bool) -> None:
    """Raise where no student of this repository's picture tower could be placed; asked before hours of training.

    Raises:
        ConfigurationError: there is no space, or its picture tower is not exported.
        NotAdmitted: the space was made of another picture tower than the repository holds now.
        Conflict: a student is there and may not be replaced.
    """
    check_teacher(load_space(repository), read_manifest(repository, CLIP_IMAGE, ImageManifest).sha256)
    refuse_taken_names(repository, [CLIP_IMAGE_DISTILLED], replace=replace)


def place_student(
    repository: Path, student: Path, card: Card, parity: Mapping[str, float], *, replace: bool
) -> Admission:
    """Pass the student in the folder `student` through the gate of the repository's space, and write it there.

    Writes `clip_image_distilled/` whole: graph, configurations, and a manifest with the admission and its figures.
    Pictures are prepared for the student as for its teacher.

    Args:
        parity: how well the graph gives PyTorch's vectors.

    Raises:
        NotAdmitted: names every figure that is too low; the repository is left as it was.
        Conflict, DependencyFailed: see `publication`.
    """
    admitted = admit(load_space(repository), card.teacher_sha256, card.figures)
    teacher = read_manifest(repository, CLIP_IMAGE, ImageManifest)
    licence = json.loads((repository / CLIP_IMAGE / "manifest.json").read_text(encoding="utf-8")).get("licence")
    manifest: dict[str, Any] = {
        "model": CLIP_IMAGE_DISTILLED,
        "source": f"{card.model}, {card.trained}",
        # Weights that were made to give another model's vectors: its terms hold for them too.
        "licence": licence,
        "precision": "fp32 (weights kept as fp16)",
        "opset": OPSET,
        "dim": teacher.dim,
        **{name: getattr(teacher, name) for name in PictureRule.__struct_fields__},
        "mean": MEAN,
        "std": STD,
        "normalising": "in the graph",
        "normalised": True,
        "sha256": sha256_of(student / WEIGHTS_FILE),
        "teacher_sha256": card.teacher_sha256,
        "flops": card.flops,
        "flops_ratio": round(card.flops_ratio, 2),
        "parity": dict(parity),
        "admitted": msgspec.to_builtins(admitted),
    }
    with publication(repository, [CLIP_IMAGE_DISTILLED], replace=replace) as folders:
        folder = folders[CLIP_IMAGE_DISTILLED]
        shutil.copyfile(student / MODEL_FILE, folder / VERSION / MODEL_FILE)
        write_configs(folder, TowerShapes("image", teacher.image_size, teacher.dim))
        write_manifest(folder, manifest)
    return admitted
