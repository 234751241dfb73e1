"""Looks at headers of safetensors files: which tensors there are, and whether the files are whole. No torch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from contracts.errors import ConfigurationError

# https://huggingface.co/docs/safetensors: eight bytes with the length of a JSON header, the header, the numbers.
LENGTH_BYTES = 8
MOST_HEADER_BYTES = 100_000_000
LAYER_TENSORS = (
    "input_layernorm",
    "self_attn.q_proj",
    "self_attn.k_proj",
    "self_attn.v_proj",
    "self_attn.o_proj",
    "post_attention_layernorm",
    "mlp.gate_proj",
    "mlp.up_proj",
    "mlp.down_proj",
)


def check_weights(files: Sequence[Path], *, layers: int, tied: bool) -> None:
    """Look for every tensor of a Llama with so many layers.

    Args:
        tied: whether the head is the embeddings' matrix.

    Raises:
        ConfigurationError: a file is damaged or cut short, or tensors are missing.
    """
    there = {name for file in files for name in _tensors(file)}
    wanted = ["model.embed_tokens.weight", "model.norm.weight", *([] if tied else ["lm_head.weight"])]
    wanted += [f"model.layers.{layer}.{name}.weight" for layer in range(layers) for name in LAYER_TENSORS]
    missing = [name for name in wanted if name not in there]
    if missing:
        raise ConfigurationError(
            f"The checkpoint's weights lack {len(missing)} tensors, such as {', '.join(missing[:3])}."
        )


def _tensors(file: Path) -> list[str]:
    """Names of a file's tensors."""
    try:
        with file.open("rb") as opened:
            length = int.from_bytes(opened.read(LENGTH_BYTES), "little")
            if length > MOST_HEADER_BYTES:
                raise ValueError
            header: dict[str, Any] = json.loads(opened.read(length))
        header.pop("__metadata__", None)
        end = max((each["data_offsets"][1] for each in header.values()), default=0)
        whole = file.stat().st_size == LENGTH_BYTES + length + end
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as exc:
        raise ConfigurationError(f"The checkpoint's {file.name} is damaged or cannot be read.") from exc
    if not whole:
        raise ConfigurationError(
            f"The checkpoint's {file.name} is damaged: it is cut short, or longer than it says."
        )
    return list(header)
