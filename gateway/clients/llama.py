"""Llama on Triton: one decoupled request an answer, tensors as in `contracts.tensors.LLAMA_SPEC`."""

import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from contracts.errors import DependencyFailed, InvalidInput, PayloadTooLarge, RequestRefused
from contracts.tensors import FINISH_LENGTH, FINISH_STOP, LLAMA
from contracts.trace import TraceContext
from gateway.core.prompt import Prompt, as_messages
from gateway.core.writing import FinishReason, Message, Piece, Sampling, Usage
from runtime.telemetry import get_logger

_log = get_logger(__name__)

_MAX_NEW_TOKENS = 400
_REASONS: Mapping[str, FinishReason | None] = {"": None, FINISH_STOP: "stop", FINISH_LENGTH: "length"}
# As deploy/triton/backends/genai says it.
_TOO_LONG = re.compile(r"the prompt has (\d+) tokens; the context holds (\d+)")

Tensors = Mapping[str, NDArray[Any]]


class ModelStream(Protocol):
    """Streams a decoupled model; `runtime.triton.TritonClient` does."""

    def stream(
        self, model: str, inputs: Tensors, *, first_timeout_s: float, trace: TraceContext | None = None
    ) -> AsyncGenerator[Tensors, None]:
        """Each response's outputs by name; closing the generator cancels the request."""
        ...


class LlamaGenerator:
    """Writes cited answers from passages, and goes on with plain conversations.

    Args:
        max_new_tokens: longest cited answer, where nothing else is asked for.
    """

    name = "llama"

    def __init__(self, models: ModelStream, *, max_new_tokens: int = _MAX_NEW_TOKENS) -> None:
        self._models = models
        self._max_new_tokens = max_new_tokens

    def stream(
        self, prompt: Prompt, sampling: Sampling, *, timeout_s: float, trace: TraceContext
    ) -> AsyncGenerator[Piece, None]:
        """See `Generator.stream`."""
        return self._pieces(
            _inputs(as_messages(prompt), sampling, self._max_new_tokens), timeout_s=timeout_s, trace=trace
        )

    def write(
        self, messages: Sequence[Message], sampling: Sampling, *, timeout_s: float, trace: TraceContext
    ) -> AsyncGenerator[Piece, None]:
        """See `LanguageModel.write`."""
        return self._pieces(_inputs(messages, sampling, None), timeout_s=timeout_s, trace=trace)

    async def _pieces(
        self, inputs: Tensors, *, timeout_s: float, trace: TraceContext
    ) -> AsyncGenerator[Piece, None]:
        responses = self._models.stream(LLAMA, inputs, first_timeout_s=timeout_s, trace=trace)
        ended = False
        # Closed here and now when the caller leaves, not when the collector comes by: closing is what cancels the
        # request in Triton and frees its slot.
        async with aclosing(responses):
            try:
                async for outputs in responses:
                    piece = _piece(outputs)
                    ended = piece.finish_reason is not None
                    yield piece
            except RequestRefused as exc:
                raise _callers_fault(exc) from exc
        if not ended:
            raise DependencyFailed("triton", "The language model's answer broke off.")


def _inputs(messages: Sequence[Message], sampling: Sampling, default_tokens: int | None) -> Tensors:
    """The request's tensors; what is not given is left to the model's configuration."""
    max_tokens = sampling.max_tokens or default_tokens
    inputs: dict[str, NDArray[Any]] = {
        "messages": np.array([msgspec.json.encode(messages)], dtype=np.object_),
        "temperature": np.array([sampling.temperature], dtype=np.float32),
        "top_p": np.array([sampling.top_p], dtype=np.float32),
    }
    if max_tokens is not None:
        inputs["max_tokens"] = np.array([max_tokens], dtype=np.int32)
    if sampling.seed is not None:
        inputs["seed"] = np.array([sampling.seed], dtype=np.int64)
    if sampling.stop:
        inputs["stop"] = np.array([stop.encode() for stop in sampling.stop], dtype=np.object_)
    return inputs


def _piece(outputs: Tensors) -> Piece:
    try:
        return Piece(
            bytes(outputs["delta"].item()).decode("utf-8", "replace"),
            Usage(int(outputs["prompt_tokens"].item()), int(outputs["completion_tokens"].item())),
            tuple(outputs["token_ids"].tolist()),
            _REASONS[bytes(outputs["finish_reason"].item()).decode()],
        )
    except (KeyError, ValueError) as exc:
        raise DependencyFailed("triton", "The language model's answer has another form than agreed.") from exc


def _callers_fault(refused: RequestRefused) -> InvalidInput:
    too_long = _TOO_LONG.search(refused.reason)
    if too_long is None:
        # The routes check what they hand on: this is seldom the caller's doing alone.
        _log.warning("llama_refused", reason=refused.reason)
        return InvalidInput("The language model cannot answer the request as it is written.")
    return PayloadTooLarge(
        f"The messages have {too_long[1]} tokens; the model's context holds {too_long[2]}, "
        "and the answer needs room in it too.",
        param="messages",
    )
