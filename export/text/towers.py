"""A loaded sentence encoder as a module that can be traced, beside PyTorch's own answers to compare with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AutoModel

from export.checkpoints import Checkpoint, load_model
from export.parity import Vectors
from export.text.pooling import Pooling
from export.text_encoder.checkpoint import CheckpointError
from export.tokenizers import LoadedTokenizer, load_tokenizer

POSITIONS_FROM_ZERO = ("bert", "distilbert")
POSITIONS_AFTER_PADDING = ("roberta", "xlm-roberta")
"""These count positions from the padding id plus one, and have that many fewer than their table has rows."""

COUNT_FLOOR = 1e-9
"""The floor of the token count, as sentence-transformers has it."""


class SentenceTower(nn.Module):
    """input_ids, attention_mask INT64 [B, S] -> unit vectors FP32 [B, dim]."""

    def __init__(self, model: Any, pooling: Pooling) -> None:
        super().__init__()
        self.model, self.pooling = model, pooling

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        hidden = self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        if self.pooling == "cls":
            return F.normalize(hidden[:, 0], dim=-1)
        kept = attention_mask.unsqueeze(-1).to(hidden.dtype)
        return F.normalize((hidden * kept).sum(1) / kept.sum(1).clamp(min=COUNT_FLOOR), dim=-1)


@dataclass(frozen=True, slots=True)
class LoadedEncoder:
    """A checkpoint in memory."""

    model: Any
    pooling: Pooling
    tokenizer: LoadedTokenizer
    dim: int

    def tower(self) -> SentenceTower:
        tower = SentenceTower(self.model, self.pooling)
        tower.eval()
        return tower

    def torch_vectors(self, texts: Sequence[str]) -> Vectors:
        """PyTorch's vectors [texts, dim], each text alone and without padding."""
        rows = []
        for text in texts:
            encoded = self.tokenizer.torch_batch([text])
            with torch.inference_mode():
                hidden = self.model(**encoded).last_hidden_state[0]
                pooled = hidden[0] if self.pooling == "cls" else hidden.mean(dim=0)
                rows.append(F.normalize(pooled, dim=-1).numpy())
        return np.stack(rows).astype(np.float32)


def load_encoder(checkpoint: Checkpoint, pooling: Pooling) -> LoadedEncoder:
    """Load the checkpoint.

    Raises:
        CheckpointError: another architecture, or files are missing or damaged.
    """
    kind = checkpoint.model_type
    if kind not in (*POSITIONS_FROM_ZERO, *POSITIONS_AFTER_PADDING):
        known = ", ".join((*POSITIONS_FROM_ZERO, *POSITIONS_AFTER_PADDING))
        raise CheckpointError(
            f"'{checkpoint.source}' is of the architecture '{kind}'. `export text` knows {known}."
        )
    model = load_model(AutoModel, checkpoint)
    config = model.config
    longest = int(config.max_position_embeddings)
    if kind in POSITIONS_AFTER_PADDING:
        longest -= int(config.pad_token_id) + 1
    tokenizer = load_tokenizer(checkpoint, max_length=longest, vocabulary=config.vocab_size)
    return LoadedEncoder(model, pooling, tokenizer, int(config.hidden_size))
