"""Writes `model_repository/space.json`: which exported towers form the joint space, and their mean vectors."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from contracts.errors import ConfigurationError
from contracts.space import Space, Tower, read_space
from contracts.tensors import CLIP_IMAGE, CLIP_TEXT, TEXT_ENCODER

MODEL_OF_TOWER: Mapping[Tower, str] = {"text": TEXT_ENCODER, "clip_text": CLIP_TEXT, "clip_image": CLIP_IMAGE}


def write_space(repository: Path, means_file: Path) -> Space:
    """As `describe_space`, with what was measured in a JSON file."""
    return describe_space(repository, json.loads(means_file.read_text()))


def describe_space(repository: Path, measured: Mapping[str, Any]) -> Space:
    """Describe the space that the exported models of `repository` speak.

    Args:
        measured: "text_dim", "image_dim", "centred" and the float lists "means" by tower.

    Raises:
        ConfigurationError: a model is not exported yet.
        BadMessage: the means do not fit the towers.
    """
    manifests: dict[str, dict[str, Any]] = {}
    for tower, model in MODEL_OF_TOWER.items():
        manifest = repository / model / "manifest.json"
        if not manifest.is_file():
            raise ConfigurationError(f"The model '{model}' must be exported before the space is described.")
        manifests[tower] = json.loads(manifest.read_text())
    data = msgspec.json.encode(
        Space(
            encoders={tower: f"{model}@{manifests[tower]['sha256']}" for tower, model in MODEL_OF_TOWER.items()},
            text_dim=measured["text_dim"],
            image_dim=measured["image_dim"],
            centred=measured["centred"],
            means=measured["means"],
            query_prefix=manifests["text"].get("query_prefix", ""),
            passage_prefix=manifests["text"].get("passage_prefix", ""),
        )
    )
    space = read_space(data)
    staged = repository / "space.json.partial"
    staged.write_bytes(data)
    staged.replace(repository / "space.json")
    return space
