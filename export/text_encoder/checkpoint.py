"""Reads what a text encoder's checkpoint folder says of itself: sizes, tokenizer, where each weight lies.

The weights themselves are not read: the exported graph points into `model.safetensors`.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts.errors import ConfigurationError

WEIGHTS_FILE = "model.safetensors"
# Safetensors: 8 bytes header length (little endian), a JSON header, then the tensors. The format caps the header.
MAX_HEADER_BYTES = 100_000_000


class CheckpointError(ConfigurationError):
    """The checkpoint folder is missing something, or is of an architecture that this export does not know."""


@dataclass(frozen=True, slots=True)
class BertConfig:
    """Sizes of a BERT encoder, named as in its `config.json`."""

    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    max_position_embeddings: int
    layer_norm_eps: float


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """Where one float32 tensor lies in the weights file: byte offset from its start, length and shape."""

    offset: int
    size_bytes: int
    shape: tuple[int, ...]


def read_config(folder: Path) -> BertConfig:
    """Read `config.json` of the checkpoint.

    Raises:
        CheckpointError: not a BERT encoder with absolute positions and exact GELU.
    """
    raw = json.loads((folder / "config.json").read_text())
    found = (raw.get("model_type"), raw.get("hidden_act"), raw.get("position_embedding_type", "absolute"))
    if found != ("bert", "gelu", "absolute"):
        raise CheckpointError(f"{folder}: model type, activation and positions are {found}, not those of BERT")
    sizes = {name: raw[name] for name in BertConfig.__dataclass_fields__}
    return BertConfig(**sizes)


def read_tensor_table(weights: Path) -> Mapping[str, StoredTensor]:
    """Read the header of a safetensors file; returns its float32 tensors by name.

    Raises:
        CheckpointError: the header does not fit the file.
    """
    size_bytes = weights.stat().st_size
    with weights.open("rb") as file:
        (header_bytes,) = struct.unpack("<Q", file.read(8))
        if header_bytes > min(size_bytes - 8, MAX_HEADER_BYTES):
            raise CheckpointError(f"{weights} is cut short: its header claims {header_bytes} bytes")
        header: dict[str, Any] = json.loads(file.read(header_bytes))
    start = 8 + header_bytes
    table = {
        name: StoredTensor(start + begin, end - begin, tuple(entry["shape"]))
        for name, entry in header.items()
        if name != "__metadata__" and entry["dtype"] == "F32"
        for begin, end in (entry["data_offsets"],)
    }
    if any(tensor.offset + tensor.size_bytes > size_bytes for tensor in table.values()):
        raise CheckpointError(f"{weights} is cut short: a tensor ends after the file does")
    return table


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
