"""From an answer that is asked for to the tensors of TensorRT-LLM's Triton model, and from its responses back.

Names: triton_backend/all_models/llmapi/tensorrt_llm/config.pbtxt of https://github.com/NVIDIA/TensorRT-LLM.
Knows neither Triton nor the tokenizer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from ask import Ask
from stops import StopFinder

TEXT_OUTPUT, FINISH_REASON = "text_output", "finish_reason"
OUTPUTS = (TEXT_OUTPUT, FINISH_REASON)
# What stands at the end of a text that was cut within a character.
HALF_A_CHARACTER = "\ufffd"
REASONS = {"None": "", "stop": "stop", "length": "length"}


@dataclass(frozen=True)
class Piece:
    """What one response brought. `reason` is empty until the last."""

    delta: str
    token_ids: tuple[int, ...]
    completion_tokens: int
    reason: str


def writer_inputs(ask: Ask, prompt: str) -> dict[str, np.ndarray[Any, Any]]:
    """The request for an answer to a prompt, as arrays by name.

    Stop texts are not handed on: they are found here, so that no part of one is ever sent.

    Raises:
        ValueError: something is asked for that TensorRT-LLM's Triton model cannot be told.
    """
    if ask.min_tokens > 0:
        raise ValueError("min_tokens is not known to TensorRT-LLM's Triton model")
    inputs: dict[str, np.ndarray[Any, Any]] = {
        "text_input": np.array([prompt.encode()], dtype=np.object_),
        "streaming": np.array([True]),
        "sampling_param_max_tokens": np.array([ask.max_tokens], dtype=np.int32),
        "sampling_param_exclude_input_from_output": np.array([True]),
        "return_finish_reason": np.array([True]),
    }
    if ask.temperature > 0:
        inputs["sampling_param_temperature"] = np.array([ask.temperature], dtype=np.float32)
        inputs["sampling_param_top_p"] = np.array([ask.top_p], dtype=np.float32)
        if ask.seed is not None:
            inputs["sampling_param_seed"] = np.array([ask.seed], dtype=np.uint64)
    else:
        inputs["sampling_param_top_k"] = np.array([1], dtype=np.int32)
    return inputs


def stop_inputs() -> dict[str, np.ndarray[Any, Any]]:
    """The request that, with the id of another, breaks that one off."""
    return {"text_input": np.array([b""], dtype=np.object_), "stop": np.array([True])}


class Pieces:
    """Cuts the writer's growing text into pieces of whole characters, up to the first stop text.

    Args:
        encode: a text to its tokens. TensorRT-LLM's Triton model hands out no tokens, so those of the text stand
        in
            for them: their number may differ by a few from what was sampled.
    """

    def __init__(self, ask: Ask, encode: Callable[[str], list[int]]) -> None:
        self._stops = StopFinder(ask.stop)
        self._encode = encode
        self._seen = 0
        self._tokens = 0

    def next(self, text: str, reason: str) -> Piece:
        """The piece that a response brings; `text` is all text so far.

        Raises:
            RuntimeError: the writer broke the answer off.
        """
        if reason not in REASONS:
            raise RuntimeError(f"TensorRT-LLM ended the answer: {reason}")
        ended = REASONS[reason]
        whole = text if ended else text.rstrip(HALF_A_CHARACTER)
        delta = self._stops.feed(whole[self._seen :])
        self._seen = max(self._seen, len(whole))
        if self._stops.found:
            ended = "stop"
        elif ended:
            delta += self._stops.rest()
        ids = tuple(self._encode(delta)) if delta else ()
        self._tokens += len(ids)
        return Piece(delta, ids, self._tokens, ended)
