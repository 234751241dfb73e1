"""Which files of a checkpoint are read, by name: configuration, tokenizer, one format of weights; no code."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import PurePosixPath

CONFIG = "config.json"
OPEN_CLIP_CONFIG = "open_clip_config.json"
WEIGHT_FILES = (
    "model.safetensors",
    "model.safetensors.index.json",
    "open_clip_model.safetensors",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
    "open_clip_pytorch_model.bin",
)
"""In order of preference: safetensors first."""

_INDEX = ".index.json"
_SMALL_SUFFIXES = frozenset({".json", ".txt", ".model", ".jinja"})
_MODEL_CARD = "README.md"
_POOLING = "Pooling/config.json"


def weight_names(*, open_clip: bool) -> list[str]:
    """Names that the weights may have; open_clip's own only for a checkpoint in its format."""
    return [name for name in WEIGHT_FILES if open_clip or not name.startswith("open_clip")]


def choose_weights(names: Collection[str], *, open_clip: bool) -> str | None:
    """The file to load the weights by, or their index; None where there is none."""
    return next((name for name in weight_names(open_clip=open_clip) if name in names), None)


def wanted_files(names: Collection[str]) -> list[str]:
    """Of all files of a repository those that an export reads, sorted; empty where it has no weights."""
    weights = choose_weights(names, open_clip=CONFIG not in names) or choose_weights(names, open_clip=True)
    if weights is None:
        return []
    return sorted(name for name in names if name == weights or _is_shard(name, weights) or _is_small(name))


def _is_shard(name: str, index: str) -> bool:
    """Such as `model-00001-of-00002.safetensors` for `model.safetensors.index.json`."""
    if not index.endswith(_INDEX):
        return False
    whole = PurePosixPath(index.removesuffix(_INDEX))
    return name.startswith(f"{whole.stem}-") and name.endswith(whole.suffix)


def _is_small(name: str) -> bool:
    if "/" in name:
        # A sentence encoder's modules have folders of their own, such as 1_Pooling.
        return name.count("/") == 1 and name.endswith(_POOLING)
    return name == _MODEL_CARD or PurePosixPath(name).suffix in _SMALL_SUFFIXES
