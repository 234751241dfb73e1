"""The captioner's gate: states and greedy captions against transformers, by the code that serves the model."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from export.captioner.network import LoadedCaptioner
from export.parity import ParityFigures, gate
from export.text_encoder.parity import ParityError

MAX_TOKENS = 30
"""Longest caption that is compared, and that the configuration asks for."""

_SERVING = Path(__file__).resolve().parents[2] / "deploy" / "triton" / "backends" / "captioner" / "greedy.py"
_BATCH = 4


@dataclass(frozen=True, slots=True)
class CaptionFigures:
    """What the gate measured.

    Args:
        states: of the picture encoder, a vector for each patch.
        captions: compared, all of them equal token by token.
        tokens: in all captions together.
    """

    states: ParityFigures
    captions: int
    tokens: int


def check_captions(version: Path, loaded: LoadedCaptioner, pictures: Sequence[Image.Image]) -> CaptionFigures:
    """Compare the exported graphs in `version` with transformers on these pictures.

    Raises:
        ParityError: states differ by more than fp32 explains, or a caption has another token or other words.
    """
    served = serving_code().Captioner(version, threads=2)
    pixels = np.stack([loaded.pixels(picture) for picture in pictures])
    batches = [pixels[start : start + _BATCH] for start in range(0, len(pixels), _BATCH)]
    found = np.concatenate([served.states(batch) for batch in batches])
    wanted = loaded.torch_states(pictures)
    states = gate("picture encoder", _unit_rows(found), _unit_rows(wanted), "fp32")
    longest = min(MAX_TOKENS, served.longest)
    captions = [tokens for batch in batches for tokens in served.tokens(batch, [longest] * len(batch))]
    references = loaded.torch_tokens(pictures, longest)
    equal = sum(map(list.__eq__, captions, references))
    if equal < len(references):
        raise ParityError(
            f"Only {equal} of {len(references)} captions are transformers' token by token. Nothing was written."
        )
    decode = loaded.tokenizer.tokenizer.decode
    for tokens in references:
        if served.words(tokens) != decode(tokens, skip_special_tokens=True).strip():
            raise ParityError("The exported tokenizer writes a caption in other words than transformers.")
    return CaptionFigures(states, len(captions), sum(map(len, captions)))


@cache
def serving_code() -> ModuleType:
    """The module that writes captions inside the server; it lies in a folder of its own and in no package."""
    spec = importlib.util.spec_from_file_location("captioner_backend_greedy", _SERVING)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _unit_rows(states: NDArray[Any]) -> NDArray[np.float32]:
    """Every patch of every picture as a vector of length 1."""
    rows = states.reshape(-1, states.shape[-1])
    unit: NDArray[np.float32] = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return unit
