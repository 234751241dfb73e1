"""What is known of an exported Llama: `model_repository/llama/manifest.json`."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LlamaParity:
    """How close the exported model is to transformers, over fixed prompts.

    Both are led along transformers' own greedy answer, so that one near-tie does not spoil all that follows;
    `greedy_equal` is the count of prompts whose answers, each left to itself, were equal token by token.

    Args:
        positions: tokens predicted.
        top1_agreement: share of positions where both hold the same token likeliest.
        min_cosine, mean_cosine: of the logits, over the positions.
    """

    prompts: int
    greedy_equal: int
    positions: int
    top1_agreement: float
    min_cosine: float
    mean_cosine: float


@dataclass(frozen=True, slots=True)
class LlamaManifest:
    """Facts that a caller of the model needs, and where it came from.

    Args:
        source: hub id or folder name of the checkpoint; revision is a commit of the hub, None for a folder.
        sha256: of the checkpoint's weight files, and of the written files, by name.
    """

    model: str
    source: str
    revision: str | None
    licence: str | None
    precision: str
    device: str
    builder: str
    context_length: int
    layers: int
    tokenizer: str
    chat_template: bool
    checkpoint_sha256: dict[str, str]
    sha256: dict[str, str]
    parity: LlamaParity

    def text(self) -> str:
        """The manifest's file."""
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"
