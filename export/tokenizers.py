"""A checkpoint's tokenizer: as the file that callers load, and as transformers uses it for comparison."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor
from transformers import AutoTokenizer

from encoding.text import TextTokens
from export.checkpoints import Checkpoint, told_load_errors
from export.quantise import Feeds
from export.text_encoder.checkpoint import CheckpointError

_TOKENIZER_FILES = ("tokenizer.json", "vocab.json", "vocab.txt", "sentencepiece.bpe.model", "spiece.model")


@dataclass(frozen=True, slots=True)
class LoadedTokenizer:
    """A tokenizer and the longest sequence, special tokens counted, that its model takes."""

    tokenizer: Any
    max_length: int
    pad_token_id: int

    def torch_batch(self, texts: Sequence[str]) -> dict[str, Tensor]:
        """What transformers feeds its model: cut at the limit, padded to the longest of these."""
        encoded = self.tokenizer(
            list(texts), padding=True, truncation=True, max_length=self.max_length, return_tensors="pt"
        )
        return {name: encoded[name] for name in ("input_ids", "attention_mask")}

    def fitting(self, texts: Sequence[str]) -> list[str]:
        """The texts that the model takes whole."""
        lengths = self.tokenizer(list(texts), truncation=False, verbose=False)["input_ids"]
        return [text for text, ids in zip(texts, lengths, strict=True) if len(ids) <= self.max_length]

    def batches(self, texts: Sequence[str], size: int) -> list[Feeds]:
        """Texts as callers send them, in their order, each batch padded to the bucket of its longest."""
        with tempfile.TemporaryDirectory(prefix="trireme-tokenizer-") as folder:
            tokens = self.write(Path(folder) / "tokenizer.json")
        sequences = tokens.ids(texts)
        return [tokens.pad(sequences[start : start + size]) for start in range(0, len(sequences), size)]

    def write(self, path: Path) -> TextTokens:
        """Write tokenizer.json without truncation and padding, which callers decide; read back as they read it."""
        written = json.loads(self.tokenizer.backend_tokenizer.to_str()) | {"truncation": None, "padding": None}
        path.write_text(json.dumps(written, ensure_ascii=False), encoding="utf-8")
        return TextTokens(path, max_length=self.max_length, pad_token_id=self.pad_token_id)


def load_tokenizer(checkpoint: Checkpoint, *, max_length: int, vocabulary: int) -> LoadedTokenizer:
    """The checkpoint's tokenizer.

    Raises:
        CheckpointError: there is none, it has no fast form, or it belongs to another model.
    """
    if not any((checkpoint.folder / name).is_file() for name in _TOKENIZER_FILES):
        raise CheckpointError(f"'{checkpoint.source}' has no tokenizer: none of {', '.join(_TOKENIZER_FILES)}.")
    with told_load_errors(checkpoint):
        tokenizer = AutoTokenizer.from_pretrained(
            checkpoint.folder, local_files_only=True, trust_remote_code=False, use_fast=True
        )
    if getattr(tokenizer, "backend_tokenizer", None) is None:
        raise CheckpointError(f"The tokenizer of '{checkpoint.source}' cannot be written as a tokenizer.json.")
    # Not the number of tokens: ids may have gaps, and an id that the model has no row for fails every request.
    last = max(tokenizer.get_vocab().values())
    if last >= vocabulary:
        raise CheckpointError(
            f"The tokenizer of '{checkpoint.source}' has ids up to {last} and the model {vocabulary} tokens: "
            "they belong to different checkpoints."
        )
    tokenizer.padding_side = tokenizer.truncation_side = "right"
    return LoadedTokenizer(tokenizer, max_length, tokenizer.pad_token_id or 0)
