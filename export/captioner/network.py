"""A loaded BLIP as two modules that can be traced: what is done once a picture, and what is done once a word."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from transformers import BlipForConditionalGeneration

from encoding.pictures import to_tensor
from export.checkpoints import Checkpoint, load_model
from export.clip.preprocessing import Preprocessing, from_processor, load_processor
from export.text_encoder.checkpoint import CheckpointError
from export.tokenizers import LoadedTokenizer, load_tokenizer


class PictureEncoder(nn.Module):
    """UINT8 pictures [B, H, W, 3] -> states FP32 [B, N, width], cross FP32 [B, layers, 2, heads, N, head].

    `cross` holds every decoder layer's keys and values of the picture, so that they are computed once and not once
    a word. Scaling and normalising are inside.
    """

    def __init__(self, model: Any, how: Preprocessing) -> None:
        super().__init__()
        self.vision = model.vision_model
        self.attentions = nn.ModuleList(
            [layer.crossattention.self for layer in model.text_decoder.bert.encoder.layer]
        )
        # One multiplication and one addition a pixel.
        std = torch.tensor(how.std).view(1, 3, 1, 1)
        self.register_buffer("factor", how.scale / std)
        self.register_buffer("shift", -torch.tensor(how.mean).view(1, 3, 1, 1) / std)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        pixels = image.permute(0, 3, 1, 2).float() * self.factor + self.shift
        states = self.vision(pixel_values=pixels).last_hidden_state
        cross = [
            torch.stack([_heads(each.key(states), each), _heads(each.value(states), each)], dim=1)
            for each in self.attentions
        ]
        return states, torch.stack(cross, dim=1)


class WordStep(nn.Module):
    """One step of the decoder, with its key-value cache.

    token INT64 [B], past FP32 [B, layers, 2, heads, T, head], cross -> logits FP32 [B, vocabulary],
    present FP32 [B, layers, 2, heads, T + 1, head]: what BlipTextLMHeadModel computes for the last of its tokens.
    """

    def __init__(self, decoder: Any) -> None:
        super().__init__()
        self.embeddings, self.layers, self.head = decoder.bert.embeddings, decoder.bert.encoder.layer, decoder.cls

    def forward(self, token: Tensor, past: Tensor, cross: Tensor) -> tuple[Tensor, Tensor]:
        length = past.shape[4]
        place = self.embeddings.position_embeddings.weight[length : length + 1]
        hidden = self.embeddings.LayerNorm(self.embeddings.word_embeddings(token[:, None]) + place)
        presents = []
        for number, layer in enumerate(self.layers):
            own = layer.attention
            new = torch.stack(
                [_heads(own.self.key(hidden), own.self), _heads(own.self.value(hidden), own.self)], dim=1
            )
            present = torch.cat([past[:, number], new], dim=3)
            presents.append(present)
            hidden = _attend(own, hidden, present)
            hidden = layer.feed_forward_chunk(_attend(layer.crossattention, hidden, cross[:, number]))
        return self.head(hidden)[:, 0], torch.stack(presents, dim=1)


def _heads(states: Tensor, attention: Any) -> Tensor:
    """[B, N, heads * head] -> [B, heads, N, head]."""
    return states.unflatten(-1, (attention.num_attention_heads, attention.attention_head_size)).transpose(1, 2)


def _attend(attention: Any, hidden: Tensor, keys_values: Tensor) -> Tensor:
    own = attention.self
    keys, values = keys_values[:, 0], keys_values[:, 1]
    scores = _heads(own.query(hidden), own) @ keys.transpose(-1, -2) / math.sqrt(own.attention_head_size)
    context = scores.softmax(dim=-1) @ values
    mixed: Tensor = attention.output(context.transpose(1, 2).flatten(2), hidden)
    return mixed


@dataclass(frozen=True, slots=True)
class LoadedCaptioner:
    """A checkpoint in memory.

    Args:
        layers, heads, head: sizes of the decoder's cache.
    """

    model: Any
    preprocessing: Preprocessing
    processor: Any
    tokenizer: LoadedTokenizer

    @property
    def text(self) -> Any:
        """The decoder's configuration."""
        return self.model.config.text_config

    @property
    def cache_shape(self) -> tuple[int, int, int, int]:
        """Of a picture without a word yet, but for the words' dimension: layers, 2, heads, head."""
        config = self.text
        return (
            config.num_hidden_layers,
            2,
            config.num_attention_heads,
            config.hidden_size // config.num_attention_heads,
        )

    def pixels(self, picture: Image.Image) -> NDArray[np.uint8]:
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

    def torch_states(self, pictures: Sequence[Image.Image]) -> NDArray[np.float32]:
        """PyTorch's states of pictures, by the checkpoint's own processor, [pictures, N, width]."""
        with torch.inference_mode():
            states = self.model.vision_model(pixel_values=self._own_pixels(pictures)).last_hidden_state
        return np.asarray(states.numpy(), dtype=np.float32)

    def torch_tokens(self, pictures: Sequence[Image.Image], max_tokens: int) -> list[list[int]]:
        """The tokens of transformers' own greedy captions, each picture alone; no start, no end."""
        start, end = int(self.text.bos_token_id), int(self.text.sep_token_id)
        captions = []
        for picture in pictures:
            ids = self.model.generate(
                pixel_values=self._own_pixels([picture]),
                max_new_tokens=max_tokens,
                do_sample=False,
                num_beams=1,
                min_length=0,
                repetition_penalty=1.0,
                no_repeat_ngram_size=0,
            )[0].tolist()
            words = ids[1:] if ids[:1] == [start] else ids
            captions.append(words[: words.index(end)] if end in words else words)
        return captions

    def _own_pixels(self, pictures: Sequence[Image.Image]) -> Tensor:
        values: Tensor = self.processor(images=list(pictures), return_tensors="pt")["pixel_values"]
        return values


def load_captioner(checkpoint: Checkpoint) -> LoadedCaptioner:
    """Load a BLIP for captions.

    Raises:
        CheckpointError: another architecture, or files are missing or damaged.
    """
    named = checkpoint.config.get("architectures") or ["BlipForConditionalGeneration"]
    if checkpoint.model_type != "blip" or named != ["BlipForConditionalGeneration"]:
        raise CheckpointError(
            f"'{checkpoint.source}' is of the architecture '{checkpoint.model_type}' ({', '.join(named)}). "
            "`export captioner` knows BlipForConditionalGeneration."
        )
    model = load_model(BlipForConditionalGeneration, checkpoint)
    processor = load_processor(checkpoint)
    how = from_processor(processor)
    expected = int(model.config.vision_config.image_size)
    if expected != how.image_size:
        raise CheckpointError(
            f"The image processor of '{checkpoint.source}' gives {how.image_size} pixels an edge, its model takes "
            f"{expected}."
        )
    text = model.config.text_config
    tokenizer = load_tokenizer(
        checkpoint, max_length=int(text.max_position_embeddings), vocabulary=int(text.vocab_size)
    )
    return LoadedCaptioner(model, how, processor, tokenizer)
