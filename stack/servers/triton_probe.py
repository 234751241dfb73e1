"""Asks a Triton server for one real inference of each model.

`/v2/health/ready` answers yes while a Python model's stub process is dead, so it is not asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tritonclient.grpc.aio as triton
from google.protobuf import text_format  # type: ignore[import-untyped]
from tritonclient.grpc.model_config_pb2 import DataType, ModelConfig
from tritonclient.utils import InferenceServerException, triton_to_np_dtype

# Stands in for a dimension that the configuration leaves open: the length of a short sentence.
OPEN_DIMENSION = 4
PROBE_TIMEOUT_S = 5.0


def read_model_config(path: Path) -> ModelConfig:
    """Parse a config.pbtxt."""
    return text_format.Parse(path.read_text(), ModelConfig())


async def probe_models(address: str, repository: Path, models: Sequence[str]) -> bool:
    """Whether every model answers an inference over zeros within `PROBE_TIMEOUT_S`; one after the other.

    Decoupled models stream, and are only asked whether they are loaded.
    """
    try:
        async with triton.InferenceServerClient(address) as client, asyncio.timeout(PROBE_TIMEOUT_S):
            for model in models:
                config = read_model_config(repository / model / "config.pbtxt")
                if config.model_transaction_policy.decoupled:
                    if not await client.is_model_ready(model):
                        return False
                else:
                    await client.infer(model, probe_inputs(config), priority=1)
    except (InferenceServerException, TimeoutError, OSError):
        return False
    return True


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
