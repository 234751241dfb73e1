"""Writes a tower's config.pbtxt: one template, and one switch for the hardware. No PyTorch.

The same queues, priorities and warm-up as in the configurations that are checked in; what differs between devices
is where instances run, the largest batch and the accelerator.
"""

from __future__ import annotations

from string import Template
from typing import Literal

from contracts.tensors import CLIP_IMAGE, MODELS
from export.shapes import TowerShapes
from export.tensorrt import provider_parameters

Device = Literal["cpu", "cuda", "tensorrt"]
DEVICES: tuple[Device, ...] = ("cpu", "cuda", "tensorrt")

_TEMPLATE = Template("""\
# Written by `trireme export` for $device. Contract: contracts/tensors.py.
name: "$name"
backend: "onnxruntime"
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
  default_queue_policy { $upload }
  # A question is worth nothing after its answer's deadline.
  priority_queue_policy { key: 1 value { $query } }
  priority_queue_policy { key: 3 value { $bulk } }
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

# Requests that wait at most: on the CPU as in the checked-in configurations, on a GPU eight full batches.
_QUEUE = {"cpu": 64, "cuda": 512, "tensorrt": 512}


def max_batch_size(device: Device) -> int:
    """Largest batch that the server forms on the device."""
    spec = MODELS[CLIP_IMAGE]
    return spec.max_batch_size_cpu if device == "cpu" else spec.max_batch_size_gpu


def render_config(name: str, tower: TowerShapes, device: Device, *, fp16: bool = False) -> str:
    """The text of config.pbtxt.

    Args:
        fp16: TensorRT may compute in 16 bits.
    """
    batch, queue = max_batch_size(device), _QUEUE[device]
    return _TEMPLATE.substitute(
        name=name,
        device={"cpu": "the CPU", "cuda": "GPUs by CUDA", "tensorrt": "GPUs by TensorRT"}[device],
        max_batch=batch,
        dim=tower.dim,
        inputs=_inputs(tower),
        hardware=_hardware(name, tower, device, batch, fp16),
        batching=_batching(device, batch),
        upload=_policy(10_000_000, queue),
        query=_policy(500_000, queue),
        bulk=_policy(30_000_000, queue // 2),
        warmup=_warmup(tower, batch),
    )


def _inputs(tower: TowerShapes) -> str:
    if tower.kind == "image":
        return f'  {{ name: "image" data_type: TYPE_UINT8 dims: [ {tower.length}, {tower.length}, 3 ] }}'
    names = ("input_ids", "attention_mask")
    return ",\n".join(f'  {{ name: "{name}" data_type: TYPE_INT64 dims: [ -1 ] }}' for name in names)


def _hardware(name: str, tower: TowerShapes, device: Device, batch: int, fp16: bool) -> str:
    if device == "cpu":
        return _CPU_HARDWARE
    if device == "cuda":
        return _GPU_HARDWARE
    parameters = "\n".join(
        f'      parameters {{ key: "{key}" value: "{value}" }}'
        for key, value in provider_parameters(name, tower, max_batch=batch, fp16=fp16).items()
    )
    return (
        f"{_GPU_HARDWARE}\n"
        "# Everything that is asked for lies inside the profile; what lies outside is built anew for a minute.\n"
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


def _policy(timeout_us: int, queue: int) -> str:
    return (
        f"timeout_action: REJECT default_timeout_microseconds: {timeout_us} "
        f"allow_timeout_override: true max_queue_size: {queue}"
    )


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
