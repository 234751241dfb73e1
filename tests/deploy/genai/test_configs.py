"""The language model's configurations hold settings that the backend takes."""

import json
from pathlib import Path

import pytest
from google.protobuf import json_format
from tritonclient.grpc.model_config_pb2 import ModelInstanceGroup

from contracts.tensors import LLAMA_SPEC
from stack.home import CHECKOUT
from tests.deploy.genai.modules import setting
from tests.deploy.tensors import read_config

FOLDER = CHECKOUT / "model_repository" / LLAMA_SPEC.name
CPU, GPU = FOLDER / "config.pbtxt", FOLDER / "configs" / "cuda.pbtxt"


@pytest.mark.parametrize(
    ("path", "kind", "batching"),
    [(CPU, ModelInstanceGroup.KIND_CPU, "turns"), (GPU, ModelInstanceGroup.KIND_GPU, "engine")],
    ids=["cpu", "cuda"],
)
def test_each_device_writes_in_its_way_and_bounds_its_queue(path: Path, kind: int, batching: str) -> None:
    config = read_config(path)
    assert [(group.kind, group.count) for group in config.instance_group] == [(kind, 1)]
    # The backend reads the configuration as JSON, as the server hands it over.
    as_json = json.loads(json_format.MessageToJson(config, preserving_proto_field_name=True))
    settings = setting.read_settings(as_json, on_gpu=kind == ModelInstanceGroup.KIND_GPU)
    assert settings.batching == batching
    assert 0 < settings.max_queue_size <= 128
    assert 0 < settings.max_queue_seconds <= 60
