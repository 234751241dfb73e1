"""Writes a tower's configurations for Triton: one template, one file for each kind of hardware. No PyTorch.

`config.pbtxt` is for the CPU; `configs/cuda.pbtxt` and its neighbours are taken instead by a server that was
started with `--model-config-name=cuda`. Tensors, priorities and queue times are the same in all of them; where
instances run, the largest batch, the length of the queues and the accelerator differ.
"""

from __future__ import annotations

from pathlib import Path
from string import Template
from typing import Literal

from contracts.tensors import CLIP_IMAGE, MODELS
from export.shapes import TowerShapes
from export.tensorrt import provider_parameters

Device = Literal["cpu", "cuda", "tensorrt", "plan"]
"""cuda and tensorrt: providers of ONNX Runtime, over model.onnx. plan: TensorRT itself, over a model.plan."""

DEVICES: tuple[Device, ...] = ("cpu", "cuda", "tensorrt", "plan")

_HEADERS: dict[Device, str] = {
    "cpu": "For the CPU",
    "cuda": "For GPUs by ONNX Runtime's CUDA provider",
    "tensorrt": "For GPUs by ONNX Runtime's TensorRT provider",
    "plan": "For GPUs by TensorRT: serves a model.plan that was built on the same kind of GPU (docs/models.md)",
}

_TEMPLATE = Template("""\
# $about
# $header. Contract: contracts/tensors.py. Written by export/model_config.py.
name: "$name"
backend: "$backend"
max_batch_size: $max_batch
version_policy { latest { num_versions: 1 } }

input [
$inputs
]
output [
  { name: "embedding" data_type: TYPE_FP32 dims: [ $dim ] }
]

$hardware

dynamic_batching {
$batching
  preserve_ordering: false
  # 1 query, 2 upload, 3 bulk.
  priority_levels: 3
  default_priority_level: 2
  default_queue_policy {
$upload
  }
  # A question is worth nothing after its answer's deadline, which callers send along. This is the most they can
  # ask for: more than the 500 ms that a replaced version's batcher may sleep over its last requests.
  priority_queue_policy {
    key: 1
    value {
$query
    }
  }
  priority_queue_policy {
    key: 3
    value {
$bulk
    }
  }
}

model_warmup [
$warmup
]
""")

_CPU_HARDWARE = """\
instance_group [ { kind: KIND_CPU count: 1 } ]
# Both cores of a small machine work on one batch: a query waits for one run at most.
parameters { key: "intra_op_thread_count" value { string_value: "2" } }
parameters { key: "inter_op_thread_count" value { string_value: "1" } }"""

_GPU_HARDWARE = "instance_group [ { kind: KIND_GPU count: 1 } ]"

# Requests that wait at most. On a GPU eight batches of 64; on a CPU a full batch takes some hundred milliseconds.
_QUEUE_CPU, _QUEUE_GPU = 64, 512


def config_file(device: Device) -> str:
    """Where the device's configuration lies in the model's folder."""
    return "config.pbtxt" if device == "cpu" else f"configs/{device}.pbtxt"


def max_batch_size(device: Device) -> int:
    """Largest batch that the server forms on the device."""
    spec = MODELS[CLIP_IMAGE]
    return spec.max_batch_size_cpu if device == "cpu" else spec.max_batch_size_gpu


def write_configs(
    folder: Path, tower: TowerShapes, *, fp16: bool = False, cpu_accelerator: str | None = None
) -> None:
    """Write the configurations of all devices into the model's folder, whose name is the model's."""
    (folder / "configs").mkdir(exist_ok=True)
    for device in DEVICES:
        text = render_config(folder.name, tower, device, fp16=fp16, cpu_accelerator=cpu_accelerator)
        (folder / config_file(device)).write_text(text, encoding="utf-8")


def render_config(
    name: str,
    tower: TowerShapes,
    device: Device,
    *,
    fp16: bool = False,
    cpu_accelerator: str | None = None,
    about: str = "Exported by `trireme export`; manifest.json says from what.",
) -> str:
    """The text of the configuration for one device.

    Args:
        fp16: TensorRT's provider may compute in 16 bits; a plan was told when it was built.
        cpu_accelerator: execution accelerator of the CPU's configuration, such as "openvino".
        about: first line of the file, what the model is.
    """
    batch, queue = max_batch_size(device), _QUEUE_CPU if device == "cpu" else _QUEUE_GPU
    return _TEMPLATE.substitute(
        name=name,
        about=about,
        header=_HEADERS[device],
        backend="tensorrt" if device == "plan" else "onnxruntime",
        max_batch=batch,
        dim=tower.dim,
        inputs=_inputs(tower),
        hardware=_hardware(name, tower, device, batch, fp16, cpu_accelerator),
        batching=_batching(device, batch),
        upload=_policy(10_000_000, queue, indent=4),
        query=_policy(2_000_000, queue, indent=6),
        bulk=_policy(30_000_000, queue // 2, indent=6),
        warmup=_warmup(tower, batch),
    )


def _inputs(tower: TowerShapes) -> str:
    if tower.kind == "image":
        return f'  {{ name: "image" data_type: TYPE_UINT8 dims: [ {tower.length}, {tower.length}, 3 ] }}'
    names = ("input_ids", "attention_mask")
    return ",\n".join(f'  {{ name: "{name}" data_type: TYPE_INT64 dims: [ -1 ] }}' for name in names)


def _hardware(
    name: str, tower: TowerShapes, device: Device, batch: int, fp16: bool, cpu_accelerator: str | None
) -> str:
    if device == "cpu" and cpu_accelerator is not None:
        return (
            f"{_CPU_HARDWARE}\n"
            "optimization { execution_accelerators { "
            f'cpu_execution_accelerator : [ {{ name : "{cpu_accelerator}" }} ] }} }}'
        )
    if device == "cpu":
        return _CPU_HARDWARE
    if device != "tensorrt":
        return _GPU_HARDWARE
    parameters = "\n".join(
        f'      parameters {{ key: "{key}" value: "{value}" }}'
        for key, value in provider_parameters(name, tower, max_batch=batch, fp16=fp16).items()
    )
    return (
        f"{_GPU_HARDWARE}\n"
        "# The warm-up builds the engine, for minutes; the cache keeps it over restarts. Every request lies\n"
        "# inside the profile: for a shape outside, the engine is built anew.\n"
        "optimization { execution_accelerators {\n  gpu_execution_accelerator : [\n    {\n"
        f'      name : "tensorrt"\n{parameters}\n    }}\n  ]\n}} }}'
    )


def _batching(device: Device, batch: int) -> str:
    if device == "cpu":
        return (
            f"  preferred_batch_size: [ {batch} ]\n"
            "  # Nothing is held back to fill a batch: on a CPU a fuller one gains less than the wait costs.\n"
            "  max_queue_delay_microseconds: 0"
        )
    return "  # A GPU computes 64 rows nearly as fast as one; what has come in 1 ms rides along.\n" + (
        "  max_queue_delay_microseconds: 1000"
    )


def _policy(timeout_us: int, queue: int, *, indent: int) -> str:
    fields = (
        "timeout_action: REJECT",
        f"default_timeout_microseconds: {timeout_us}",
        "allow_timeout_override: true",
        f"max_queue_size: {queue}",
    )
    return "\n".join(" " * indent + field for field in fields)


def _warmup(tower: TowerShapes, batch: int) -> str:
    """A single request of the smallest shape and a full batch of the largest usual one."""
    if tower.kind == "image":
        samples = [("one picture", 1, tower.length), ("a full batch of pictures", batch, tower.length)]
    else:
        samples = [("one short text", 1, min(16, tower.length)), ("a full batch", batch, min(256, tower.length))]
    return ",\n".join(_sample(tower, label, size, length) for label, size, length in samples)


def _sample(tower: TowerShapes, label: str, size: int, length: int) -> str:
    if tower.kind == "image":
        values = {"image": f"data_type: TYPE_UINT8 dims: [ {length}, {length}, 3 ]"}
    else:
        values = dict.fromkeys(("input_ids", "attention_mask"), f"data_type: TYPE_INT64 dims: [ {length} ]")
    inputs = "\n".join(
        f'    inputs {{ key: "{name}" value {{ {value} zero_data: true }} }}' for name, value in values.items()
    )
    return f'  {{\n    name: "{label}"\n    batch_size: {size}\n{inputs}\n  }}'
