"""open_clip's network, written out once more by its description: the oracle of the mapping to transformers' names.

Modules and parameters are called as in open_clip/transformer.py, so that `state_dict` is a checkpoint of theirs.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from tests.export.checkpoints import LIMIT, SIZE, clip_tokenizer, livelier

WIDTH, LAYERS, PATCH, DIM, HEAD = 32, 2, 8, 16, 16


class Attention(nn.Module):
    """Attention, then a feed-forward part, each around a shortcut."""

    def __init__(self) -> None:
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.attn = nn.MultiheadAttention(WIDTH, WIDTH // HEAD, batch_first=True)
        self.mlp = nn.Sequential()
        self.mlp.add_module("c_fc", nn.Linear(WIDTH, 4 * WIDTH))
        self.mlp.add_module("gelu", nn.GELU())
        self.mlp.add_module("c_proj", nn.Linear(4 * WIDTH, WIDTH))

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        y = self.ln_1(x)
        x = x + self.attn(y, y, y, need_weights=False, attn_mask=mask)[0]
        return x + self.mlp(self.ln_2(x))


class Blocks(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList(Attention() for _ in range(LAYERS))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        for block in self.resblocks:
            x = block(x, mask)
        return x


class Visual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, WIDTH, PATCH, PATCH, bias=False)
        self.class_embedding = nn.Parameter(torch.zeros(WIDTH))
        self.positional_embedding = nn.Parameter(torch.zeros((SIZE // PATCH) ** 2 + 1, WIDTH))
        self.ln_pre, self.ln_post = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.transformer = Blocks()
        self.proj = nn.Parameter(torch.zeros(WIDTH, DIM))

    def forward(self, pixels: Tensor) -> Tensor:
        x = self.conv1(pixels).flatten(2).transpose(1, 2)
        first = self.class_embedding.expand(len(x), 1, -1)
        x = self.transformer(self.ln_pre(torch.cat([first, x], 1) + self.positional_embedding))
        return self.ln_post(x)[:, 0] @ self.proj


class OpenClip(nn.Module):
    """Both towers; pictures float [B, 3, S, S], ids [B, LIMIT] padded with zeros."""

    def __init__(self) -> None:
        super().__init__()
        self.visual, self.transformer = Visual(), Blocks()
        self.token_embedding = nn.Embedding(len(clip_tokenizer()), WIDTH)
        self.positional_embedding = nn.Parameter(torch.zeros(LIMIT, WIDTH))
        self.ln_final = nn.LayerNorm(WIDTH)
        self.text_projection = nn.Parameter(torch.zeros(WIDTH, DIM))
        self.logit_scale = nn.Parameter(torch.tensor(2.6))

    def encode_text(self, ids: Tensor) -> Tensor:
        mask = torch.full((LIMIT, LIMIT), float("-inf")).triu(1)
        x = self.transformer(self.token_embedding(ids) + self.positional_embedding, mask)
        return self.ln_final(x)[torch.arange(len(x)), ids.argmax(-1)] @ self.text_projection


def tiny_network() -> OpenClip:
    """The network with seeded weights."""
    network: OpenClip = livelier(OpenClip())
    return network


def tiny_open_clip(folder: Path, weights: str = "open_clip_model.safetensors") -> Path:
    """A checkpoint in open_clip's format; with a `.bin` name for the weights, in PyTorch's older one."""
    folder.mkdir(parents=True)
    state = {name: tensor.contiguous() for name, tensor in tiny_network().state_dict().items()}
    if weights.endswith(".bin"):
        torch.save(state, folder / weights)
    else:
        save_file(state, folder / weights)
    sizes, heads = {"width": WIDTH, "layers": LAYERS}, WIDTH // HEAD
    config = {
        "model_cfg": {
            "embed_dim": DIM,
            "vision_cfg": sizes | {"image_size": SIZE, "patch_size": PATCH, "head_width": HEAD},
            "text_cfg": sizes | {"context_length": LIMIT, "vocab_size": len(clip_tokenizer()), "heads": heads},
        },
        "preprocess_cfg": {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.4], "interpolation": "bicubic"},
    }
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    clip_tokenizer().save_pretrained(folder)
    return folder
