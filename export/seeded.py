"""Checkpoints of a real architecture's full size with seeded weights: for measurements and tests, not for answers.

python -m export.seeded FOLDER      in the export environment; ViT-B/32
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from tokenizers import pre_tokenizers
from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, CLIPTokenizerFast

SEED = 20261123

_BYTES = sorted(pre_tokenizers.ByteLevel.alphabet())


def clip_tokenizer() -> CLIPTokenizerFast:
    """Bytes and words' ends, as CLIP's own vocabulary begins, without merges."""
    tokens = [*_BYTES, *(f"{each}</w>" for each in _BYTES), "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    return CLIPTokenizerFast(vocab=vocabulary, merges=[])


def seeded_vit_b_32(folder: Path) -> Path:
    """A CLIP of the full size of ViT-B/32 (151 million parameters) with seeded weights."""
    tokenizer = clip_tokenizer()
    ends = {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    torch.manual_seed(SEED)
    config = CLIPConfig(
        text_config={"vocab_size": 49408, **ends}, vision_config={"patch_size": 32}, projection_dim=512
    )
    CLIPModel(config).eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    CLIPImageProcessorPil().save_pretrained(folder)
    return folder


if __name__ == "__main__":
    seeded_vit_b_32(Path(sys.argv[1]))
