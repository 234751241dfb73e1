"""Asks a Triton server for one real inference of each model.

`/v2/health/ready` answers yes while a Python model's stub process is dead, so it is not asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tritonclient.grpc.aio as triton
from google.protobuf import text_format  # type: ignore[import-untyped]
from grpc.aio import AioRpcError  # type: ignore[import-untyped]
from tritonclient.grpc.model_config_pb2 import DataType, ModelConfig
from tritonclient.utils import InferenceServerException, triton_to_np_dtype

from contracts.tensors import PRIORITY_QUERY

# Stands in for a dimension that the configuration leaves open: the length of a short sentence.
OPEN_DIMENSION = 4
PROBE_TIMEOUT_S = 5.0
# The server's words for "the Python process of this model is gone".
DEAD_STUB = "is not healthy"


def read_model_config(path: Path) -> ModelConfig:
    """Parse a config.pbtxt."""
    return text_format.Parse(path.read_text(), ModelConfig())


@dataclass(frozen=True, slots=True)
class ModelHealth:
    """What a probe saw: `failed` gave no answer; `dead` are those of them whose Python process has died."""

    failed: tuple[str, ...] = ()
    dead: tuple[str, ...] = ()


async def probe_models(address: str, models: Sequence[str]) -> ModelHealth:
    """Send every model one inference over zeros, one after the other, within `PROBE_TIMEOUT_S` altogether.

    The server says which tensors a model takes. Decoupled models stream; they are asked for an answer of no
    tokens, which takes no slot and no time.
    """
    waiting, dead = list(models), []
    try:
        async with triton.InferenceServerClient(address) as client, asyncio.timeout(PROBE_TIMEOUT_S):
            for model in models:
                try:
                    if await _answers(client, model):
                        waiting.remove(model)
                except InferenceServerException as error:
                    if DEAD_STUB in str(error):
                        dead.append(model)
    except (TimeoutError, OSError):
        pass  # Those that were not asked any more have not answered either.
    return ModelHealth(tuple(waiting), tuple(dead))


async def _answers(client: triton.InferenceServerClient, model: str) -> bool:
    config: ModelConfig = (await client.get_model_config(model)).config
    if config.model_transaction_policy.decoupled:
        return await _streams(client, config, model)
    await client.infer(model, probe_inputs(config), priority=PRIORITY_QUERY)
    return True


async def _streams(client: triton.InferenceServerClient, config: ModelConfig, model: str) -> bool:
    none_at_all = next((each for each in config.input if each.name == "max_tokens"), None)
    if none_at_all is None:
        return bool(await client.is_model_ready(model))
    tensor = _zeros(none_at_all.name, DataType.Name(none_at_all.data_type), list(none_at_all.dims), config)

    async def requests() -> AsyncIterator[dict[str, object]]:
        yield {"model_name": model, "inputs": [tensor], "priority": 0}

    responses = client.stream_infer(requests())
    answered, failure = False, None
    try:
        # To its end: when a cancellation meets that, Triton 2.51 crashes. See `runtime.triton`.
        async for _, error in responses:
            answered, failure = True, failure or error
    except AioRpcError as error:  # Of a stream, the client hands gRPC's own error on.
        raise InferenceServerException(msg=str(error.details())) from error
    finally:
        responses.cancel()
    if failure is not None:
        raise failure
    return answered


def probe_inputs(config: ModelConfig) -> list[triton.InferInput]:
    """Zeros for every input of the model, as a batch of one."""
    return [_zeros(each.name, DataType.Name(each.data_type), list(each.dims), config) for each in config.input]


def _zeros(name: str, data_type: str, dims: list[int], config: ModelConfig) -> triton.InferInput:
    wire_type = "BYTES" if data_type == "TYPE_STRING" else data_type.removeprefix("TYPE_")
    batch = [1] if config.max_batch_size > 0 else []
    shape = batch + [OPEN_DIMENSION if size < 0 else size for size in dims]
    tensor = triton.InferInput(name, shape, wire_type)
    dtype = triton_to_np_dtype(wire_type)
    tensor.set_data_from_numpy(
        np.full(shape, b"", dtype=object) if dtype == np.object_ else np.zeros(shape, dtype)
    )
    return tensor
