"""What the export tells TensorRT, and the files that it writes. tests/model_repository has the contract."""

import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf import text_format

from export.model_config import DEVICES, config_file, render_config, write_configs
from export.shapes import TowerShapes
from export.tensorrt import polygraphy_command, trtexec_command

# The export environment, which collects this folder too, has no client of Triton.
model_config_pb2 = pytest.importorskip("tritonclient.grpc.model_config_pb2", reason="runs in the app environment")
ModelConfig = model_config_pb2.ModelConfig

PICTURES = TowerShapes("image", 224, 512)
WORDS = TowerShapes("text", 77, 512)
TOWERS = pytest.mark.parametrize("tower", [PICTURES, WORDS], ids=["image", "text"])


def test_an_export_has_a_configuration_for_every_device(tmp_path: Path) -> None:
    folder = tmp_path / "words"
    folder.mkdir()
    write_configs(folder, WORDS, fp16=True, cpu_accelerator="openvino")
    files = {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*.pbtxt")}
    assert files == {
        config_file(device): render_config("words", WORDS, device, fp16=True, cpu_accelerator="openvino")
        for device in DEVICES
    }


@TOWERS
def test_tensorrt_gets_a_profile_that_holds_every_request(tower: TowerShapes) -> None:
    config = text_format.Parse(render_config("tower", tower, "tensorrt", fp16=True), ModelConfig())
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


@TOWERS
def test_polygraphy_reads_its_command_as_it_is_meant(tower: TowerShapes, tmp_path: Path) -> None:
    """Its own parser, which writes the script that it would run; TensorRT is not needed for that."""
    script = tmp_path / "script.py"
    command = polygraphy_command(tower, max_batch=64, fp16=True).split()
    assert command[0] == "polygraphy"
    subprocess.run(
        [Path(sys.executable).with_name("polygraphy"), *command[1:], "--gen-script", script],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        timeout=120,
    )
    written = script.read_text()
    for name, *shapes in zip(
        tower.profile(64)[0], *(profile.values() for profile in tower.profile(64)), strict=True
    ):
        small, usual, large = map(list, shapes)
        assert f".add('{name}', min={small}, opt={usual}, max={large})" in written
        assert f".add('{name}', None, {usual})" in written
    assert "fp16=True" in written
    assert "SaveBytes(build_engine, path='model.plan')" in written
    assert "'image': (0, 255)" in written if tower.kind == "image" else "'attention_mask': (1, 1)" in written
