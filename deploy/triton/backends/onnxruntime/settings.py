"""A model's configuration as Triton's ONNX Runtime backend reads it, and what of it this one cannot do.

Source of the names: triton-inference-server/onnxruntime_backend, README.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import onnxruntime

GRAPH_LEVELS = {
    -1: onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    0: onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    1: onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL,
}
"""`optimization.graph.level`; unset is everything."""

DEFAULT_THREADS = 1
"""What a model gets that asks for no number of threads: a few models share few cores."""

OPENVINO = "openvino"
_THREAD_PARAMETERS = ("intra_op_thread_count", "inter_op_thread_count")


class Unsupported(ValueError):
    """The configuration asks for what only the C++ backend has; the message says what, for the server's log."""


@dataclass(frozen=True)
class Settings:
    """What the engines are told.

    Args:
        session_entries: of ONNX Runtime's session, names with "session." in front.
        openvino: run by OpenVINO instead of ONNX Runtime.
    """

    intra_op_threads: int
    inter_op_threads: int
    graph_level: Any
    session_entries: Mapping[str, str]
    openvino: bool


def read_settings(config: Mapping[str, Any], instance_kind: str) -> Settings:
    """The settings out of a model's configuration (Triton's JSON of it).

    Raises:
        Unsupported: instances on GPUs, an accelerator that is not here, or a value that is no number.
    """
    if instance_kind != "CPU":
        raise Unsupported(f"instances of kind {instance_kind} need the C++ ONNX Runtime backend; use KIND_CPU")
    optimization = config.get("optimization") or {}
    parameters = {name: each["string_value"] for name, each in config.get("parameters", {}).items()}
    intra, inter = (_threads(parameters, name) for name in _THREAD_PARAMETERS)
    return Settings(
        intra_op_threads=intra,
        inter_op_threads=inter,
        graph_level=GRAPH_LEVELS[int((optimization.get("graph") or {}).get("level", 1))],
        session_entries={name: value for name, value in parameters.items() if name.startswith("session.")},
        openvino=_asks_for_openvino(optimization.get("execution_accelerators") or {}),
    )


def _threads(parameters: Mapping[str, str], name: str) -> int:
    value = parameters.get(name) or str(DEFAULT_THREADS)
    if not value.isdigit() or int(value) < 1:
        raise Unsupported(f"{name} is '{value}'; it is a number from 1 on")
    return int(value)


def _asks_for_openvino(accelerators: Mapping[str, Any]) -> bool:
    on_gpu = [each["name"] for each in accelerators.get("gpu_execution_accelerator") or []]
    if on_gpu:
        raise Unsupported(f"the GPU accelerator {', '.join(on_gpu)} needs the C++ ONNX Runtime backend")
    on_cpu = accelerators.get("cpu_execution_accelerator") or []
    others = [each["name"] for each in on_cpu if each["name"] != OPENVINO]
    if others:
        raise Unsupported(f"the CPU accelerator {', '.join(others)} is not here; there is {OPENVINO}")
    unread = sorted({name for each in on_cpu for name in each.get("parameters") or {}})
    if unread:
        raise Unsupported(f"the accelerator {OPENVINO} takes no parameters here, and {', '.join(unread)} is set")
    return bool(on_cpu)
