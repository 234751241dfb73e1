"""open_clip's own checkpoints as transformers' CLIPModel: the same network under other names.

Names on the left are those of open_clip/transformer.py. Covers the plain ViT with CLIP's text transformer, which
all of open_clip's ViT-B, L, H and g are; towers from timm and text towers from the hub are refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor
from transformers import CLIPConfig, CLIPModel

from export.checkpoints import Checkpoint, load_tensors, told_load_errors
from export.text_encoder.checkpoint import CheckpointError

_UNKNOWN_VISION = ("timm_model_name", "attentional_pool", "attn_pooler_heads", "no_ln_pre", "final_ln_after_pool")
_UNKNOWN_TEXT = ("hf_model_name", "embed_cls", "no_causal_mask", "pool_type", "proj_bias")
_HEAD_WIDTH = 64

_VISION = {
    "class_embedding": "embeddings.class_embedding",
    "positional_embedding": "embeddings.position_embedding.weight",
    "conv1.weight": "embeddings.patch_embedding.weight",
    "ln_pre": "pre_layrnorm",
    "ln_post": "post_layernorm",
}
_TEXT = {
    "token_embedding.weight": "embeddings.token_embedding.weight",
    "positional_embedding": "embeddings.position_embedding.weight",
    "ln_final": "final_layer_norm",
}
_LAYER = {
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "attn.out_proj": "self_attn.out_proj",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
}


def load_open_clip(checkpoint: Checkpoint) -> Any:
    """A CLIPModel with the checkpoint's weights, in evaluation mode.

    Raises:
        CheckpointError: a kind of tower that is not known, or weights that do not fit.
    """
    config = clip_config(checkpoint.config["model_cfg"])
    model = CLIPModel(config)
    tensors = load_tensors(checkpoint)
    with told_load_errors(checkpoint):
        model.load_state_dict(dict(renamed(tensors)), strict=True)
    return model.eval()


def clip_config(settings: Mapping[str, Any]) -> CLIPConfig:
    """transformers' configuration of open_clip's `model_cfg`.

    Raises:
        CheckpointError: a kind of tower that is not known.
    """
    vision, text = settings.get("vision_cfg", {}), settings.get("text_cfg", {})
    unknown = [key for key in _UNKNOWN_VISION if vision.get(key)] + [key for key in _UNKNOWN_TEXT if text.get(key)]
    if unknown or isinstance(vision.get("layers"), list):
        raise CheckpointError(
            "This open_clip checkpoint is no plain ViT with CLIP's text transformer "
            f"({', '.join(unknown) or 'ResNet'}): that architecture is not supported."
        )
    activation = "quick_gelu" if settings.get("quick_gelu") else "gelu"
    width, vision_width = text.get("width", 512), vision.get("width", 768)
    vocabulary = text.get("vocab_size", 49408)
    result = CLIPConfig(
        projection_dim=settings["embed_dim"],
        text_config={
            "vocab_size": vocabulary,
            "hidden_size": width,
            "intermediate_size": int(width * text.get("mlp_ratio", 4.0)),
            "num_hidden_layers": text.get("layers", 12),
            "num_attention_heads": text.get("heads", 8),
            "max_position_embeddings": text.get("context_length", 77),
            "hidden_act": activation,
            "projection_dim": settings["embed_dim"],
            # open_clip pools where the token id is highest, which is the end of the text.
            "bos_token_id": vocabulary - 2,
            "eos_token_id": vocabulary - 1,
        },
        vision_config={
            "hidden_size": vision_width,
            "intermediate_size": int(vision_width * vision.get("mlp_ratio", 4.0)),
            "num_hidden_layers": vision.get("layers", 12),
            "num_attention_heads": vision_width // vision.get("head_width", _HEAD_WIDTH),
            "image_size": vision.get("image_size", 224),
            "patch_size": vision.get("patch_size", 16),
            "hidden_act": activation,
            "projection_dim": settings["embed_dim"],
        },
    )
    result._attn_implementation = "eager"
    return result


def renamed(tensors: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """Every tensor under transformers' name; attention's joint input projection is cut into three."""
    for name, tensor in tensors.items():
        if name in ("logit_bias", "attn_mask"):
            continue
        if name == "logit_scale":
            yield name, tensor
        elif name in ("visual.proj", "text_projection"):
            target = "visual_projection" if name == "visual.proj" else "text_projection"
            yield f"{target}.weight", tensor.T.contiguous()
        elif name.startswith("visual."):
            yield from _tower(name.removeprefix("visual."), tensor, "vision_model", _VISION)
        else:
            yield from _tower(name, tensor, "text_model", _TEXT)


def _tower(name: str, tensor: Tensor, tower: str, outside: Mapping[str, str]) -> Iterator[tuple[str, Tensor]]:
    prefix = "transformer.resblocks."
    if not name.startswith(prefix):
        whole, dot, last = name.rpartition(".")
        target = outside.get(name) or f"{outside.get(whole, whole)}{dot}{last}"
        yield f"{tower}.{target}", tensor
        return
    number, _, rest = name.removeprefix(prefix).partition(".")
    layer = f"{tower}.encoder.layers.{number}"
    if rest.startswith("attn.in_proj_"):
        kind = rest.removeprefix("attn.in_proj_")
        for part, piece in zip("qkv", torch.chunk(tensor, 3), strict=True):
            yield f"{layer}.self_attn.{part}_proj.{kind}", piece.clone()
        return
    module, _, kind = rest.rpartition(".")
    yield f"{layer}.{_LAYER.get(module, module)}.{kind}", tensor
