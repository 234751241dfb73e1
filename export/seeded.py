"""Checkpoints of real architectures at full size with seeded weights: for measurements and tests, not for answers.

python -m export.seeded clip-vit-l-14 FOLDER      in the export environment
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertModel,
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    CLIPTokenizerFast,
    PreTrainedTokenizerFast,
)

SEED = 20261123

_BYTES = sorted(pre_tokenizers.ByteLevel.alphabet())
_WORDS = (
    "the",
    "a",
    "of",
    "and",
    "to",
    "in",
    "is",
    "are",
    "##s",
    "##ing",
    "##ed",
    "query",
    "passage",
    ":",
    ".",
    ",",
)


def clip_tokenizer() -> CLIPTokenizerFast:
    """Bytes and words' ends, as CLIP's own vocabulary begins, without merges."""
    tokens = [*_BYTES, *(f"{each}</w>" for each in _BYTES), "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    return CLIPTokenizerFast(vocab=vocabulary, merges=[])


def bert_tokenizer(pad: int = 0) -> PreTrainedTokenizerFast:
    """WordPiece with single letters and a few words; the padding token has the id `pad`, 0 or 1."""
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)] + [str(digit) for digit in range(10)]
    first = ["[PAD]", "[UNK]"] if pad == 0 else ["[UNK]", "[PAD]"]
    tokens = dict.fromkeys([*first, "[CLS]", "[SEP]", *_WORDS, *letters, *(f"##{each}" for each in letters)])
    tokenizer = Tokenizer(models.WordPiece({token: n for n, token in enumerate(tokens)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    )


def seeded_clip(folder: Path, config: Mapping[str, Any]) -> Path:
    """A CLIPModel with its image processor, for pictures of the size that the configuration says."""
    tokenizer = clip_tokenizer()
    ends = {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    torch.manual_seed(SEED)
    sizes = dict(config) | {"text_config": {"vocab_size": 49408, **config.get("text_config", {}), **ends}}
    CLIPModel(CLIPConfig(**sizes)).eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    size = sizes["vision_config"].get("image_size", 224)
    CLIPImageProcessorPil(size={"shortest_edge": size}, crop_size={"height": size, "width": size}).save_pretrained(
        folder
    )
    return folder


def seeded_bert(folder: Path, config: Mapping[str, Any]) -> Path:
    """A BERT with mean pooling, as sentence-transformers saves it."""
    torch.manual_seed(SEED)
    BertModel(BertConfig(**config), add_pooling_layer=False).eval().save_pretrained(folder)
    bert_tokenizer().save_pretrained(folder)
    (folder / "1_Pooling").mkdir(exist_ok=True)
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_mean_tokens": True}))
    return folder


def _vit(width: int, layers: int, patch: int, **changes: int) -> dict[str, int]:
    """CLIP's vision towers: heads of 64, a feed-forward part four times as wide."""
    return {
        "hidden_size": width,
        "intermediate_size": 4 * width,
        "num_hidden_layers": layers,
        "num_attention_heads": width // 64,
        "patch_size": patch,
        **changes,
    }


_TEXT_768 = {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12, "projection_dim": 768}

# Sizes as in the config.json of openai/clip-vit-base-patch32, openai/clip-vit-large-patch14 and
# sentence-transformers/all-MiniLM-L6-v2; the tiny ones are for tests of the same steps.
SIZES: Mapping[str, Callable[[Path], Path]] = MappingProxyType(
    {
        "clip-vit-b-32": partial(seeded_clip, config={"vision_config": _vit(768, 12, 32), "projection_dim": 512}),
        "clip-vit-l-14": partial(
            seeded_clip,
            config={
                "vision_config": _vit(1024, 24, 14, projection_dim=768),
                "text_config": _TEXT_768,
                "projection_dim": 768,
            },
        ),
        # The picture tower of laion/CLIP-ViT-H-14-laion2B-s32B-b79K, 2.5 GB; its text tower is that of B/32.
        "clip-vit-h-14-picture": partial(
            seeded_clip,
            config={
                "vision_config": _vit(1280, 32, 14, num_attention_heads=16, projection_dim=1024),
                "projection_dim": 1024,
            },
        ),
        "clip-tiny": partial(
            seeded_clip,
            config={
                "vision_config": _vit(128, 2, 8, image_size=32),
                "text_config": {"hidden_size": 64, "intermediate_size": 128, "num_attention_heads": 2}
                | {"num_hidden_layers": 2, "vocab_size": 514},
                "projection_dim": 48,
            },
        ),
        "bert-tiny": partial(
            seeded_bert,
            config={
                "vocab_size": 100,
                "hidden_size": 64,
                "num_hidden_layers": 2,
                "num_attention_heads": 2,
                "intermediate_size": 128,
                "pad_token_id": 0,
            },
        ),
        "minilm-l6": partial(
            seeded_bert,
            config={
                "vocab_size": 30522,
                "hidden_size": 384,
                "num_hidden_layers": 6,
                "num_attention_heads": 12,
                "intermediate_size": 1536,
                "pad_token_id": 0,
            },
        ),
    }
)


def main(arguments: Sequence[str]) -> None:
    """Write one; wrong use ends the process, as argparse does."""
    parser = argparse.ArgumentParser(
        prog="python -m export.seeded",
        description="Write a checkpoint of a real architecture's full size with seeded weights.",
    )
    parser.add_argument("size", choices=sorted(SIZES))
    parser.add_argument("folder", type=Path)
    options = parser.parse_args(arguments)
    SIZES[options.size](options.folder)


if __name__ == "__main__":
    main(sys.argv[1:])
