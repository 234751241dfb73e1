"""Tiny seeded checkpoints in the formats that real ones have, tokenizers included. Needs torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from transformers import (
    BertConfig,
    BertModel,
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    CLIPTextConfig,
    CLIPVisionConfig,
    DistilBertConfig,
    DistilBertModel,
    VisionTextDualEncoderConfig,
    VisionTextDualEncoderModel,
    ViTConfig,
    ViTImageProcessorPil,
    ViTModel,
    XLMRobertaConfig,
    XLMRobertaModel,
    XLMRobertaTokenizer,
)

from export.seeded import SEED, bert_tokenizer, clip_tokenizer

WIDTH = 32
SIZE = 32
LIMIT = 24
"""Longest text, special tokens counted, of the tiny CLIPs."""


def sized(**changes: Any) -> dict[str, Any]:
    """Sizes that every tiny transformer has."""
    return {
        "hidden_size": WIDTH,
        "intermediate_size": 2 * WIDTH,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        **changes,
    }


def xlm_tokenizer() -> XLMRobertaTokenizer:
    """XLM-RoBERTa's own kind: SentencePiece's unigrams over a few letters of several scripts, words begun by ▁."""
    pieces = [
        "▁",
        *"abcdefghijklmnopqrstuvwxyz0123456789.,:äéшки水光",
        "▁a",
        "▁the",
        "▁cat",
        "ing",
        *(f"▁{word}" for word in ("query", "passage", "rain", "in", "of", "and", "is", "to")),
    ]
    special = [(token, 0.0) for token in ("<s>", "<pad>", "</s>", "<unk>")]
    # Longer pieces are likelier, as trained ones are.
    scored = [(piece, -10.0 + 2 * len(piece)) for piece in pieces]
    return XLMRobertaTokenizer(vocab=[*special, *scored, ("<mask>", 0.0)])


def livelier(model: Any) -> Any:
    """Larger weights than the classes begin with, so that every layer, mask and position shows in the result."""
    generator = torch.Generator().manual_seed(SEED)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() > 1:
                fan_in = parameter[0].numel()
                scale = 0.5 if "embedding" in name else 1.5 / fan_in**0.5
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * scale)
            elif parameter.dim() == 1:
                centre = 1.0 if name.endswith("weight") else 0.0
                parameter.copy_(centre + 0.1 * torch.randn(parameter.shape, generator=generator))
    return model.eval()


def tiny_clip(folder: Path, **changes: Any) -> Path:
    """A CLIPModel in transformers' format, 16 dimensions."""
    tokenizer = clip_tokenizer()
    text = CLIPTextConfig(
        **sized(max_position_embeddings=LIMIT, vocab_size=len(tokenizer), projection_dim=16),
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=changes.pop("eos_token_id", tokenizer.eos_token_id),
        pad_token_id=tokenizer.pad_token_id,
    )
    vision = CLIPVisionConfig(**sized(image_size=SIZE, patch_size=8, projection_dim=16))
    config = CLIPConfig(text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=16)
    livelier(CLIPModel(config)).save_pretrained(folder, **changes)
    tokenizer.save_pretrained(folder)
    CLIPImageProcessorPil(size={"shortest_edge": SIZE}, crop_size={"height": SIZE, "width": SIZE}).save_pretrained(
        folder
    )
    return folder


def tiny_dual_encoder(folder: Path) -> Path:
    """A VisionTextDualEncoder of a ViT and a BERT, 16 dimensions."""
    tokenizer = bert_tokenizer()
    config = VisionTextDualEncoderConfig.from_vision_text_configs(
        ViTConfig(**sized(image_size=SIZE, patch_size=8)),
        BertConfig(**sized(vocab_size=len(tokenizer), max_position_embeddings=40, pad_token_id=0)),
        projection_dim=16,
    )
    vision, text = ViTModel(config.vision_config), BertModel(config.text_config)
    livelier(VisionTextDualEncoderModel(config, vision, text)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    ViTImageProcessorPil(size={"height": SIZE, "width": SIZE}).save_pretrained(folder)
    return folder


def tiny_bert(folder: Path, pooling: str = "mean", model: Any = None, tokenizer: Any = None) -> Path:
    """A BERT sentence encoder as sentence-transformers saves it, 32 dimensions."""
    tokenizer = tokenizer or bert_tokenizer(model.config.pad_token_id if model else 0)
    made = model or BertModel(
        BertConfig(
            **sized(vocab_size=len(tokenizer), max_position_embeddings=64, pad_token_id=0, num_hidden_layers=1)
        ),
        add_pooling_layer=False,
    )
    livelier(made).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    modules = [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
        {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"},
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir()
    settings = {"pooling_mode_cls_token": pooling == "cls", "pooling_mode_mean_tokens": pooling == "mean"}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"word_embedding_dimension": WIDTH} | settings))
    return folder


def tiny_sentence_encoder(folder: Path, family: str) -> Path:
    """A sentence encoder of one of the families that `export text` knows."""
    size = len(bert_tokenizer())
    if family == "xlm_roberta":
        # As XLM-RoBERTa itself: 2 more positions than the longest sequence has tokens.
        tokenizer = xlm_tokenizer()
        config = XLMRobertaConfig(
            **sized(vocab_size=len(tokenizer), max_position_embeddings=66, pad_token_id=1, num_hidden_layers=1)
        )
        return tiny_bert(folder, "mean", XLMRobertaModel(config, add_pooling_layer=False), tokenizer)
    if family == "distilbert":
        small = DistilBertConfig(
            vocab_size=size, max_position_embeddings=64, dim=WIDTH, hidden_dim=64, n_layers=1, n_heads=2
        )
        return tiny_bert(folder, "mean", DistilBertModel(small))
    return tiny_bert(folder, family.removeprefix("bert_"))
