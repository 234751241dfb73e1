"""Every config.pbtxt against the contract, read as the server reads it."""

from pathlib import Path

import pytest
from tritonclient.grpc.model_config_pb2 import DataType, ModelConfig, ModelInstanceGroup, ModelQueuePolicy

from contracts.tensors import (
    CLIP_IMAGE,
    CLIP_IMAGE_DISTILLED,
    CLIP_TEXT,
    LLAMA_SPEC,
    MODELS,
    PRIORITY_BULK,
    PRIORITY_LEVELS,
    PRIORITY_QUERY,
    PRIORITY_UPLOAD,
    TEXT_ENCODER,
    ModelSpec,
    TensorSpec,
)
from stack.home import CHECKOUT
from stack.servers.triton_probe import read_model_config

REPOSITORY = CHECKOUT / "model_repository"
CONFIGS = sorted(REPOSITORY.glob("*/config.pbtxt"))
ENCODERS = [
    path for path in CONFIGS if path.parent.name in (TEXT_ENCODER, CLIP_TEXT, CLIP_IMAGE, CLIP_IMAGE_DISTILLED)
]


def spec_and_config(path: Path) -> tuple[ModelSpec, ModelConfig]:
    return MODELS[path.parent.name], read_model_config(path)


def agrees(spec: TensorSpec, name: str, data_type: int, dims: list[int]) -> bool:
    wire = {"TYPE_STRING": "BYTES"}.get(DataType.Name(data_type), DataType.Name(data_type).removeprefix("TYPE_"))
    sizes = len(spec.shape) == len(dims) and all(
        wanted is None or wanted == found for wanted, found in zip(spec.shape, dims, strict=True)
    )
    return name == spec.name and wire == spec.dtype and sizes


def test_each_model_of_the_contract_has_a_config() -> None:
    assert set(MODELS) <= {path.parent.name for path in CONFIGS}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.parent.name)
def test_a_config_is_named_as_its_folder(path: Path) -> None:
    assert read_model_config(path).name == path.parent.name


@pytest.mark.parametrize("path", ENCODERS, ids=lambda path: path.parent.name)
def test_tensors_are_those_of_the_contract(path: Path) -> None:
    spec, config = spec_and_config(path)
    for wanted, found in ((spec.inputs, config.input), (spec.outputs, config.output)):
        assert len(wanted) == len(found)
        for tensor, each in zip(wanted, found, strict=True):
            assert agrees(tensor, each.name, each.data_type, list(each.dims)), each.name


def test_the_language_model_streams_the_tensors_of_the_contract() -> None:
    config = read_model_config(REPOSITORY / LLAMA_SPEC.name / "config.pbtxt")
    assert config.model_transaction_policy.decoupled
    assert config.max_batch_size == LLAMA_SPEC.max_batch_size_cpu
    for wanted, found in ((LLAMA_SPEC.inputs, config.input), (LLAMA_SPEC.outputs, config.output)):
        assert len(wanted) == len(found)
        for tensor, each in zip(wanted, found, strict=True):
            assert agrees(tensor, each.name, each.data_type, list(each.dims)), each.name
    assert [each.optional for each in config.input] == [each.optional for each in LLAMA_SPEC.inputs]


@pytest.mark.parametrize("path", ENCODERS, ids=lambda path: path.parent.name)
def test_an_instance_runs_on_the_cpu_with_the_cpus_batch_size(path: Path) -> None:
    spec, config = spec_and_config(path)
    assert config.max_batch_size == spec.max_batch_size_cpu
    assert [group.kind for group in config.instance_group] == [ModelInstanceGroup.KIND_CPU]


@pytest.mark.parametrize("path", ENCODERS, ids=lambda path: path.parent.name)
def test_priorities_are_those_of_the_contract_and_uploads_are_the_default(path: Path) -> None:
    batching = read_model_config(path).dynamic_batching
    assert batching.priority_levels == PRIORITY_LEVELS
    assert batching.default_priority_level == PRIORITY_UPLOAD


@pytest.mark.parametrize("path", ENCODERS, ids=lambda path: path.parent.name)
def test_every_queue_is_bounded_in_length_and_time_and_rejects(path: Path) -> None:
    batching = read_model_config(path).dynamic_batching
    policies = [batching.default_queue_policy, *batching.priority_queue_policy.values()]
    assert set(batching.priority_queue_policy) == {PRIORITY_QUERY, PRIORITY_BULK}
    for policy in policies:
        assert policy.timeout_action == ModelQueuePolicy.REJECT
        assert policy.max_queue_size > 0
        assert policy.default_timeout_microseconds > 0


@pytest.mark.parametrize("path", ENCODERS, ids=lambda path: path.parent.name)
def test_warm_up_covers_both_ends_of_the_batch_range(path: Path) -> None:
    config = read_model_config(path)
    assert {sample.batch_size for sample in config.model_warmup} == {1, config.max_batch_size}
    for sample in config.model_warmup:
        assert set(sample.inputs) == {each.name for each in config.input}
