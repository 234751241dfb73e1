"""Compares a model configuration with the contract of the language model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import DataType, ModelConfig

from contracts.tensors import ModelSpec, TensorSpec


def read_config(path: Path) -> Any:
    """A config.pbtxt, read with the server's protobuf."""
    return text_format.Parse(path.read_text(), ModelConfig())


def described(spec: ModelSpec) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """Inputs and outputs of a contract as name, type, sizes and whether they may be left out."""
    return _of_contract(spec.inputs), _of_contract(spec.outputs)


def configured(config: Any) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """The same of a configuration."""
    inputs = [(each.name, _wire(each.data_type), list(each.dims), each.optional) for each in config.input]
    return inputs, [(each.name, _wire(each.data_type), list(each.dims), False) for each in config.output]


def _of_contract(tensors: tuple[TensorSpec, ...]) -> list[tuple[Any, ...]]:
    return [
        (each.name, each.dtype, [-1 if size is None else size for size in each.shape], each.optional)
        for each in tensors
    ]


def _wire(data_type: int) -> str:
    name = str(DataType.Name(data_type)).removeprefix("TYPE_")
    return "BYTES" if name == "STRING" else name
