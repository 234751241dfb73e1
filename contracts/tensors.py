"""Tensors of every model in `model_repository/`: what clients send and get. A test compares the configs."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

DType = Literal["INT64", "UINT8", "FP32", "BYTES", "INT32", "BOOL"]

# Triton request priorities (1 is the highest; 0 would mean the model's default).
PRIORITY_QUERY = 1
PRIORITY_UPLOAD = 2
PRIORITY_BULK = 3
PRIORITY_LEVELS = 3

TEXT_ENCODER = "text_encoder"
CLIP_TEXT = "clip_text"
CLIP_TEXT_DISTILLED = "clip_text_distilled"
CLIP_IMAGE = "clip_image"
CLIP_IMAGE_DISTILLED = "clip_image_distilled"
LLAMA = "llama"
CAPTIONER = "captioner"

EMBEDDING = "embedding"


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One tensor without its batch dimension; None stands for a length that varies or that the checkpoint sets.

    Args:
        optional: an input that a caller may leave out.
    """

    name: str
    dtype: DType
    shape: tuple[int | None, ...]
    optional: bool = False


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model's interface.

    Args:
        max_batch_size_cpu, max_batch_size_gpu: largest batch that the server forms.
    """

    name: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    max_batch_size_cpu: int = 8
    max_batch_size_gpu: int = 64


_TOKENS = (TensorSpec("input_ids", "INT64", (None,)), TensorSpec("attention_mask", "INT64", (None,)))
_PICTURE = (TensorSpec("image", "UINT8", (None, None, 3)),)
# As wide as the checkpoint makes it; the space's description and the manifests say how wide.
_VECTOR = (TensorSpec(EMBEDDING, "FP32", (None,)),)

MODELS: Mapping[str, ModelSpec] = MappingProxyType(
    {
        TEXT_ENCODER: ModelSpec(TEXT_ENCODER, _TOKENS, _VECTOR),
        CLIP_TEXT: ModelSpec(CLIP_TEXT, _TOKENS, _VECTOR),
        # Served where a version has been exported; the demo has none (docs/decisions/0005).
        CLIP_TEXT_DISTILLED: ModelSpec(CLIP_TEXT_DISTILLED, _TOKENS, _VECTOR),
        CLIP_IMAGE: ModelSpec(CLIP_IMAGE, _PICTURE, _VECTOR),
        CLIP_IMAGE_DISTILLED: ModelSpec(CLIP_IMAGE_DISTILLED, _PICTURE, _VECTOR),
    }
)

# Why a stream of the language model ended: the model or a stop text ended it, or `max_tokens` or the context did.
FINISH_STOP = "stop"
FINISH_LENGTH = "length"

# The language model is decoupled: one request, a stream of responses, no batch dimension. Of `messages` (JSON: a
# list of {"role", "content"}, put through the checkpoint's own chat template), `prompt` (text as it is, every
# special token written out) and `input_ids`, exactly one is given. Without a temperature, or with 0, the
# likeliest token is taken. A `delta` holds whole characters and never a part of a stop text; `token_ids` are the
# tokens since the last response; both counts are so far; `finish_reason` is empty but in the last response. An
# answer of no tokens (`max_tokens` 0) asks whether the model is there: it is given at once, whoever else waits.
LLAMA_SPEC = ModelSpec(
    LLAMA,
    inputs=(
        TensorSpec("messages", "BYTES", (1,), optional=True),
        TensorSpec("prompt", "BYTES", (1,), optional=True),
        TensorSpec("input_ids", "INT64", (None,), optional=True),
        TensorSpec("max_tokens", "INT32", (1,), optional=True),
        TensorSpec("min_tokens", "INT32", (1,), optional=True),
        TensorSpec("temperature", "FP32", (1,), optional=True),
        TensorSpec("top_p", "FP32", (1,), optional=True),
        TensorSpec("seed", "INT64", (1,), optional=True),
        TensorSpec("stop", "BYTES", (None,), optional=True),
    ),
    outputs=(
        TensorSpec("delta", "BYTES", (1,)),
        TensorSpec("token_ids", "INT32", (None,)),
        TensorSpec("prompt_tokens", "INT32", (1,)),
        TensorSpec("completion_tokens", "INT32", (1,)),
        TensorSpec("finish_reason", "BYTES", (1,)),
    ),
    max_batch_size_cpu=0,
    max_batch_size_gpu=0,
)

# The captioner is decoupled as well, so that it is asked for its health while it works: one request, one response,
# no batch dimension; the backend gathers requests into batches itself. `token_count` counts the caption's tokens.
# A request for no tokens (`max_tokens` 0) needs no picture and is answered at once.
CAPTIONER_SPEC = ModelSpec(
    CAPTIONER,
    inputs=(
        TensorSpec("image", "UINT8", (None, None, 3), optional=True),
        TensorSpec("max_tokens", "INT32", (1,), optional=True),
    ),
    outputs=(TensorSpec("caption", "BYTES", (1,)), TensorSpec("token_count", "INT32", (1,))),
    max_batch_size_cpu=0,
    max_batch_size_gpu=0,
)
