"""Configurations that the export writes, read as the server reads them, beside the checked-in ones."""

from pathlib import Path

import pytest
from google.protobuf import text_format

from contracts.tensors import CLIP_IMAGE, MODELS, TEXT_ENCODER
from export.model_config import DEVICES, Device, render_config
from export.shapes import TowerShapes
from export.tensorrt import polygraphy_command, trtexec_command

# The export environment, which collects this folder too, has no client of Triton.
model_config_pb2 = pytest.importorskip("tritonclient.grpc.model_config_pb2", reason="runs in the app environment")
ModelConfig = model_config_pb2.ModelConfig
Group = model_config_pb2.ModelInstanceGroup

REPOSITORY = Path(__file__).resolve().parents[2] / "model_repository"
PICTURES = TowerShapes("image", 224, 512)
WORDS = TowerShapes("text", 77, 512)
TOWERS = pytest.mark.parametrize("tower", [PICTURES, WORDS], ids=["image", "text"])


def parsed(tower: TowerShapes, device: Device, **options: bool) -> ModelConfig:  # type: ignore[valid-type]
    return text_format.Parse(render_config("tower", tower, device, **options), ModelConfig())


@pytest.mark.parametrize(("name", "tower"), [(CLIP_IMAGE, TowerShapes("image", 96, 384)), (TEXT_ENCODER, WORDS)])
def test_the_template_for_the_cpu_is_the_checked_in_configuration(name: str, tower: TowerShapes) -> None:
    wanted = text_format.Parse((REPOSITORY / name / "config.pbtxt").read_text(), ModelConfig())
    width = TowerShapes(tower.kind, 96 if tower.kind == "image" else 512, 384)
    found = text_format.Parse(render_config(name, width, "cpu"), ModelConfig())
    for sample in (*wanted.model_warmup, *found.model_warmup):
        sample.name = ""
    assert found == wanted


@TOWERS
@pytest.mark.parametrize("device", DEVICES)
def test_every_device_gets_the_contracts_tensors_and_batch(tower: TowerShapes, device: Device) -> None:
    config = parsed(tower, device)
    spec = MODELS[CLIP_IMAGE if tower.kind == "image" else TEXT_ENCODER]
    assert [each.name for each in config.input] == [each.name for each in spec.inputs]
    assert list(config.output[0].dims) == [512]
    assert config.max_batch_size == (spec.max_batch_size_cpu if device == "cpu" else spec.max_batch_size_gpu)
    assert {sample.batch_size for sample in config.model_warmup} == {1, config.max_batch_size}
    kind = Group.KIND_CPU if device == "cpu" else Group.KIND_GPU
    assert [group.kind for group in config.instance_group] == [kind]


@TOWERS
def test_tensorrt_gets_a_profile_that_holds_every_request(tower: TowerShapes) -> None:
    config = parsed(tower, "tensorrt", fp16=True)
    (accelerator,) = config.optimization.execution_accelerators.gpu_execution_accelerator
    assert accelerator.name == "tensorrt"
    settings = dict(accelerator.parameters)
    assert settings["precision_mode"] == "FP16"
    assert settings["trt_engine_cache_enable"] == settings["trt_timing_cache_enable"] == "true"
    smallest, largest = ("1x224x224x3", "64x224x224x3") if tower.kind == "image" else ("1x8", "64x77")
    assert {part.partition(":")[2] for part in settings["trt_profile_min_shapes"].split(",")} == {smallest}
    assert {part.partition(":")[2] for part in settings["trt_profile_max_shapes"].split(",")} == {largest}
    names = {part.partition(":")[0] for part in settings["trt_profile_opt_shapes"].split(",")}
    assert names == {each.name for each in config.input}


def test_the_commands_name_all_three_shapes_of_the_profile() -> None:
    command = trtexec_command("words", WORDS, max_batch=64, fp16=True)
    assert "--minShapes=input_ids:1x8,attention_mask:1x8" in command
    assert "--optShapes=input_ids:16x64,attention_mask:16x64" in command
    assert "--maxShapes=input_ids:64x77,attention_mask:64x77" in command
    assert "--fp16" in command
    assert "--fp16" not in trtexec_command("words", WORDS, max_batch=64, fp16=False)
    assert "--trt-max-shapes image:[64,224,224,3]" in polygraphy_command(PICTURES, max_batch=64, fp16=False)
