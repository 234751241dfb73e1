"""Every configuration of the repository and of exports against the contract, parsed as the server parses it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import pytest
from google.protobuf import text_format  # type: ignore[import-untyped]
from tritonclient.grpc.model_config_pb2 import DataType, ModelConfig, ModelInstanceGroup, ModelQueuePolicy

from contracts.tensors import (
    CLIP_IMAGE,
    LLAMA,
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
from export.model_config import DEVICES, Device, config_file, render_config
from export.repository_configs import rendered
from export.shapes import TowerShapes
from stack.home import CHECKOUT
from stack.servers.triton_probe import read_model_config

REPOSITORY = CHECKOUT / "model_repository"
# As the exports of ViT-B/32, ViT-L/14 at 336 pixels, CLIP's texts and multilingual E5 are shaped.
EXPORTS = {
    "vit_b_32": TowerShapes("image", 224, 512),
    "vit_l_14_336": TowerShapes("image", 336, 768),
    "clip_words": TowerShapes("text", 77, 512),
    "e5_words": TowerShapes("text", 512, 1024),
}


@dataclass(frozen=True, slots=True)
class Case:
    """One file: what it should be, and what it is."""

    spec: ModelSpec
    device: Device
    config: ModelConfig


def checked_in() -> dict[str, Case]:
    return {
        f"{name}-{device}": Case(spec, device, read_model_config(REPOSITORY / name / config_file(device)))
        for name, spec in MODELS.items()
        for device in DEVICES
    }


def exported() -> dict[str, Case]:
    cases = {}
    for name, tower in EXPORTS.items():
        spec = MODELS[CLIP_IMAGE if tower.kind == "image" else TEXT_ENCODER]
        spec = dataclasses.replace(
            spec, name=name, outputs=(dataclasses.replace(spec.outputs[0], shape=(tower.dim,)),)
        )
        for device in DEVICES:
            for options in ({}, {"fp16": True, "cpu_accelerator": "openvino"}):
                text = render_config(name, tower, device, **options)  # type: ignore[arg-type]
                marks = "-".join((name, device, *options))
                cases[marks] = Case(spec, device, text_format.Parse(text, ModelConfig()))
    return cases


ENCODERS = {**checked_in(), **exported()}
every_encoder = pytest.mark.parametrize("case", ENCODERS.values(), ids=ENCODERS)
every_device = pytest.mark.parametrize("device", DEVICES)


def agrees(spec: TensorSpec, name: str, data_type: int, dims: list[int]) -> bool:
    wire = {"TYPE_STRING": "BYTES"}.get(DataType.Name(data_type), DataType.Name(data_type).removeprefix("TYPE_"))
    sizes = len(spec.shape) == len(dims) and all(
        wanted is None or wanted == found for wanted, found in zip(spec.shape, dims, strict=True)
    )
    return name == spec.name and wire == spec.dtype and sizes


def assert_tensors_agree(spec: ModelSpec, config: ModelConfig) -> None:
    for wanted, found in ((spec.inputs, config.input), (spec.outputs, config.output)):
        assert len(wanted) == len(found)
        for tensor, each in zip(wanted, found, strict=True):
            assert agrees(tensor, each.name, each.data_type, list(each.dims)), each.name


def test_checked_in_files_are_what_the_renderer_writes() -> None:
    """After a change of the renderer: `python -m export.repository_configs`."""
    for place, text in rendered():
        assert (REPOSITORY / place).read_text() == text, place


def test_each_model_of_the_contract_has_a_file_for_every_device_and_no_stray_one() -> None:
    for name in (*MODELS, LLAMA):
        files = {str(path.relative_to(REPOSITORY / name)) for path in (REPOSITORY / name).rglob("*.pbtxt")}
        assert files == {config_file(device) for device in DEVICES}, name


@every_encoder
def test_a_config_is_named_as_its_folder(case: Case) -> None:
    assert case.config.name == case.spec.name


@every_encoder
def test_tensors_are_those_of_the_contract(case: Case) -> None:
    assert_tensors_agree(case.spec, case.config)


@every_encoder
def test_an_instance_runs_on_the_device_with_the_devices_batch_size(case: Case) -> None:
    on_cpu = case.device == "cpu"
    spec = case.spec
    assert case.config.max_batch_size == (spec.max_batch_size_cpu if on_cpu else spec.max_batch_size_gpu)
    kind = ModelInstanceGroup.KIND_CPU if on_cpu else ModelInstanceGroup.KIND_GPU
    assert [(group.kind, group.count) for group in case.config.instance_group] == [(kind, 1)]


@every_encoder
def test_a_plan_is_served_by_tensorrt_and_everything_else_by_onnx_runtime(case: Case) -> None:
    assert case.config.backend == ("tensorrt" if case.device == "plan" else "onnxruntime")


@every_encoder
def test_priorities_are_those_of_the_contract_and_uploads_are_the_default(case: Case) -> None:
    batching = case.config.dynamic_batching
    assert batching.priority_levels == PRIORITY_LEVELS
    assert batching.default_priority_level == PRIORITY_UPLOAD
    assert not batching.preserve_ordering


@every_encoder
def test_every_queue_is_bounded_in_length_and_time_and_rejects(case: Case) -> None:
    batching = case.config.dynamic_batching
    policies = [batching.default_queue_policy, *batching.priority_queue_policy.values()]
    assert set(batching.priority_queue_policy) == {PRIORITY_QUERY, PRIORITY_BULK}
    for policy in policies:
        assert policy.timeout_action == ModelQueuePolicy.REJECT
        # Triton 2.51's batcher can sleep for 500 ms over the last requests of a version that is replaced.
        assert policy.default_timeout_microseconds >= 2_000_000
        assert policy.allow_timeout_override
        # A queue holds some full batches, and no more than waits a few seconds.
        assert 4 <= policy.max_queue_size / case.config.max_batch_size <= 8


@every_encoder
def test_warm_up_covers_both_ends_of_the_batch_range(case: Case) -> None:
    assert {sample.batch_size for sample in case.config.model_warmup} == {1, case.config.max_batch_size}
    for sample in case.config.model_warmup:
        assert set(sample.inputs) == {each.name for each in case.config.input}


@every_encoder
def test_only_the_newest_version_is_served(case: Case) -> None:
    assert case.config.version_policy.latest.num_versions == 1


@every_encoder
def test_accelerators_are_those_of_the_device(case: Case) -> None:
    accelerators = case.config.optimization.execution_accelerators
    on_gpu = [each.name for each in accelerators.gpu_execution_accelerator]
    assert on_gpu == (["tensorrt"] if case.device == "tensorrt" else [])
    if case.device != "cpu":
        assert not accelerators.cpu_execution_accelerator


@pytest.mark.parametrize(("asked", "written"), [(None, []), ("openvino", ["openvino"])])
def test_the_cpus_accelerator_is_written_where_one_is_asked_for(asked: str | None, written: list[str]) -> None:
    text = render_config("words", EXPORTS["clip_words"], "cpu", cpu_accelerator=asked)
    accelerators = text_format.Parse(text, ModelConfig()).optimization.execution_accelerators
    assert [each.name for each in accelerators.cpu_execution_accelerator] == written


@every_device
def test_the_language_model_streams_the_tensors_of_the_contract(device: Device) -> None:
    config = read_model_config(REPOSITORY / LLAMA / config_file(device))
    assert config.name == LLAMA
    assert config.model_transaction_policy.decoupled
    assert config.max_batch_size == (
        LLAMA_SPEC.max_batch_size_cpu if device == "cpu" else LLAMA_SPEC.max_batch_size_gpu
    )
    assert_tensors_agree(LLAMA_SPEC, config)
    assert [each.optional for each in config.input] == [each.optional for each in LLAMA_SPEC.inputs]
    kind = ModelInstanceGroup.KIND_CPU if device == "cpu" else ModelInstanceGroup.KIND_GPU
    assert [(group.kind, group.count) for group in config.instance_group] == [(kind, 1)]


@every_device
def test_the_language_models_queue_is_bounded_in_length_and_time(device: Device) -> None:
    config = read_model_config(REPOSITORY / LLAMA / config_file(device))
    assert config.version_policy.latest.num_versions == 1
    settings = {name: int(each.string_value) for name, each in config.parameters.items()}
    for bound in ("slots", "max_queue_size", "max_queue_seconds", "max_tokens", "prefill_tokens"):
        assert settings[bound] > 0, bound
