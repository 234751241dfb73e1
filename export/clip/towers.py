"""The two towers of a loaded CLIP as modules that can be traced, beside PyTorch's own answers to compare with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPModel, VisionTextDualEncoderModel

from encoding.pictures import to_tensor
from export.checkpoints import Checkpoint, load_model
from export.clip.open_clip import load_open_clip
from export.clip.preprocessing import Preprocessing, from_open_clip, from_processor, load_processor
from export.parity import Vectors
from export.text_encoder.checkpoint import CheckpointError
from export.tokenizers import LoadedTokenizer, load_tokenizer

FAMILIES = {"clip": CLIPModel, "vision-text-dual-encoder": VisionTextDualEncoderModel}
_BATCH = 8
_LEGACY_END = 2
"""Old CLIP configurations say 2 and mean "the highest id of the sequence" (CLIPTextModel in transformers)."""


class ImageTower(nn.Module):
    """UINT8 pictures [B, H, W, 3] -> unit vectors FP32 [B, dim]; scaling and normalising inside."""

    def __init__(self, model: Any, how: Preprocessing, projection: Tensor | None = None) -> None:
        super().__init__()
        self.vision, self.head = model.vision_model, model.visual_projection
        # One multiplication and one addition a pixel.
        std = torch.tensor(how.std).view(1, 3, 1, 1)
        self.register_buffer("factor", how.scale / std)
        self.register_buffer("shift", -torch.tensor(how.mean).view(1, 3, 1, 1) / std)
        self.register_buffer("projection", projection)

    def forward(self, image: Tensor) -> Tensor:
        pixels = image.permute(0, 3, 1, 2).float() * self.factor + self.shift
        features = self.head(self.vision(pixel_values=pixels).pooler_output)
        return unit(features, self.projection)


class TextTower(nn.Module):
    """input_ids, attention_mask INT64 [B, S] -> unit vectors FP32 [B, dim]."""

    def __init__(self, model: Any, projection: Tensor | None = None) -> None:
        super().__init__()
        self.text, self.head = model.text_model, model.text_projection
        config = self.text.config
        self.end = config.eos_token_id if config.model_type == "clip_text_model" else None
        self.register_buffer("projection", projection)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        out = self.text(input_ids=input_ids, attention_mask=attention_mask)
        pooled = out.pooler_output if self.end is None else self._at_end(out.last_hidden_state, input_ids)
        return unit(self.head(pooled), self.projection)

    def _at_end(self, hidden: Tensor, input_ids: Tensor) -> Tensor:
        """The state at the first end-of-text token, [B, width].

        In float32, which holds every token id exactly: TensorRT and older runtimes have no ArgMax over int64.
        """
        score = input_ids.float() if self.end == _LEGACY_END else (input_ids == self.end).float()
        place = score.argmax(dim=-1)
        return hidden[torch.arange(hidden.shape[0]), place]


def unit(features: Tensor, projection: Tensor | None) -> Tensor:
    """Vectors of length 1, projected first where there is a projection [dim, features]."""
    vectors = F.normalize(features, dim=-1)
    return vectors if projection is None else F.normalize(vectors @ projection.T, dim=-1)


@dataclass(frozen=True, slots=True)
class LoadedClip:
    """A checkpoint in memory.

    Args:
        processor: the checkpoint's own; None for open_clip's format, whose transform needs torchvision.
    """

    model: Any
    preprocessing: Preprocessing
    tokenizer: LoadedTokenizer
    processor: Any | None
    dim: int
    projection: Tensor | None = None

    def projected(self, projection: Tensor) -> LoadedClip:
        """The same with both towers projected, [dim, features]."""
        return replace(self, projection=projection, dim=projection.shape[0])

    def image_tower(self) -> ImageTower:
        tower = ImageTower(self.model, self.preprocessing, self.projection)
        tower.eval()
        return tower

    def text_tower(self) -> TextTower:
        tower = TextTower(self.model, self.projection)
        tower.eval()
        return tower

    def pixels(self, picture: Image.Image) -> Any:
        """A picture as callers will send it, UINT8 [size, size, 3]."""
        how = self.preprocessing
        return to_tensor(
            picture,
            how.image_size,
            how.resize,
            interpolation=how.interpolation,
            shortest_edge=how.shortest_edge,
            crop_rounding=how.crop_rounding,
        )

    def torch_image_vectors(self, pictures: Sequence[Image.Image]) -> Vectors:
        """PyTorch's vectors, by the checkpoint's own processor and the model's own method; [pictures, dim]."""
        parts = []
        for start in range(0, len(pictures), _BATCH):
            some = list(pictures[start : start + _BATCH])
            with torch.inference_mode():
                features = self.model.get_image_features(pixel_values=self._own_pixels(some)).pooler_output
                parts.append(unit(features, self.projection).numpy())
        return np.concatenate(parts).astype(np.float32)

    def torch_text_vectors(self, texts: Sequence[str]) -> Vectors:
        """PyTorch's vectors, by the checkpoint's own tokenizer and the model's own method; [texts, dim]."""
        parts = []
        for start in range(0, len(texts), _BATCH):
            encoded = self.tokenizer.torch_batch(texts[start : start + _BATCH])
            with torch.inference_mode():
                features = self.model.get_text_features(**encoded).pooler_output
                parts.append(unit(features, self.projection).numpy())
        return np.concatenate(parts).astype(np.float32)

    def _own_pixels(self, pictures: list[Image.Image]) -> Tensor:
        if self.processor is not None:
            values: Tensor = self.processor(images=pictures, return_tensors="pt")["pixel_values"]
            return values
        how = self.preprocessing
        stacked = torch.from_numpy(np.stack([self.pixels(each) for each in pictures])).permute(0, 3, 1, 2)
        mean, std = (torch.tensor(each).view(1, 3, 1, 1) for each in (how.mean, how.std))
        return (stacked.float() * how.scale - mean) / std


def load_clip(checkpoint: Checkpoint) -> LoadedClip:
    """Load either family, or open_clip's format.

    Raises:
        CheckpointError: another architecture, or files are missing or damaged.
    """
    kind = checkpoint.model_type
    if kind == "open_clip":
        model, processor = load_open_clip(checkpoint), None
        how = from_open_clip(checkpoint.config)
    elif kind in FAMILIES:
        model, processor = load_model(FAMILIES[kind], checkpoint), load_processor(checkpoint)
        how = from_processor(processor)
    else:
        raise CheckpointError(
            f"'{checkpoint.source}' is of the architecture '{kind}'. `export clip` knows "
            f"{', '.join(FAMILIES)} and open_clip's own format."
        )
    expected = getattr(model.vision_model.config, "image_size", how.image_size)
    if expected != how.image_size:
        raise CheckpointError(
            f"The image processor of '{checkpoint.source}' gives {how.image_size} pixels an edge, its model takes "
            f"{expected}."
        )
    text = model.text_model.config
    tokenizer = load_tokenizer(checkpoint, max_length=text.max_position_embeddings, vocabulary=text.vocab_size)
    return LoadedClip(model, how, tokenizer, processor, int(model.text_projection.out_features))
