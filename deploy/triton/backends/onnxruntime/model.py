"""A Python-based Triton backend that runs `backend: "onnxruntime"` models where the C++ one is not shipped.

Opens `<model>/<version>/model.onnx` on the CPU. Reads the configuration as Triton's own ONNX Runtime backend does:
`default_model_filename`, the parameters `intra_op_thread_count`, `inter_op_thread_count` and `session.*`, and
`optimization.graph.level`. Requests that the server's batcher hands over together run as one batch.

Runs inside the server's Python, not in Trireme's: imports nothing of ours. GPUs and execution accelerators
belong to the C++ backend; asking for them here is an error, not a silent fall back.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import triton_python_backend_utils as pb_utils
from waker import BatcherWaker, needs_waker

GRAPH_LEVELS = {
    -1: onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    0: onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    1: onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL,
}
"""`optimization.graph.level` as Triton's ONNX Runtime backend reads it; unset is everything."""

# What a model gets that asks for no number of threads: a few models share few cores.
DEFAULT_THREADS = 1


class TritonPythonModel:
    """One instance of a model: a session of its own, so that `instance_group.count` of them run side by side."""

    def initialize(self, args: dict[str, str]) -> None:
        config = json.loads(args["model_config"])
        refuse_unsupported(config, args["model_instance_kind"])
        filename = config.get("default_model_filename") or "model.onnx"
        path = Path(args["model_repository"]) / args["model_version"] / filename
        if not path.is_file():
            raise pb_utils.TritonModelException(f"{path} does not exist: export the model first")
        self._batches = config.get("max_batch_size", 0) > 0
        self._session = onnxruntime.InferenceSession(
            str(path), session_options(config), providers=["CPUExecutionProvider"]
        )
        self._inputs = [each["name"] for each in config["input"]]
        self._outputs = [each["name"] for each in config["output"]]
        check_names("input", self._inputs, [each.name for each in self._session.get_inputs()])
        check_names("output", self._outputs, [each.name for each in self._session.get_outputs()])
        self._waker = BatcherWaker(config) if needs_waker(config) else None

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """Answer every request, in order; one that fails gets its own error and spoils no other."""
        if self._waker is None:
            return self._answer(requests)
        self._waker.batch_started()
        try:
            return self._answer(requests)
        finally:
            self._waker.batch_finished()

    def finalize(self) -> None:
        if self._waker is not None:
            self._waker.close()

    def _answer(self, requests: Sequence[Any]) -> list[Any]:
        if not self._batches or len(requests) == 1:
            return [self._answer_alone(request) for request in requests]
        try:
            return self._answer_together(requests)
        except Exception:  # noqa: BLE001 - the engine has no error class of its own
            # One request's values (a token id outside the vocabulary) fail the whole run: find out whose.
            return [self._answer_alone(request) for request in requests]

    def _answer_together(self, requests: Sequence[Any]) -> list[Any]:
        parts = [self._feeds(request) for request in requests]
        sizes = [len(part[self._inputs[0]]) for part in parts]
        feeds = {name: np.concatenate([part[name] for part in parts]) for name in self._inputs}
        outputs = self._session.run(self._outputs, feeds)
        edges = np.cumsum(sizes)[:-1]
        split = [np.split(output, edges) for output in outputs]
        return [
            self._response(request, [output[place] for output in split]) for place, request in enumerate(requests)
        ]

    def _answer_alone(self, request: Any) -> Any:
        try:
            return self._response(request, self._session.run(self._outputs, self._feeds(request)))
        except Exception as error:  # noqa: BLE001 - the outermost place: the caller gets it
            return pb_utils.InferenceResponse(error=pb_utils.TritonError(str(error)))

    def _feeds(self, request: Any) -> dict[str, Any]:
        tensors = {name: pb_utils.get_input_tensor_by_name(request, name) for name in self._inputs}
        missing = sorted(name for name, tensor in tensors.items() if tensor is None)
        if missing:
            raise ValueError(f"missing input {', '.join(missing)}")
        return {name: tensor.as_numpy() for name, tensor in tensors.items()}

    def _response(self, request: Any, outputs: Sequence[Any]) -> Any:
        wanted = set(request.requested_output_names())
        tensors = [
            pb_utils.Tensor(name, output)
            for name, output in zip(self._outputs, outputs, strict=True)
            if name in wanted
        ]
        return pb_utils.InferenceResponse(output_tensors=tensors)


def session_options(config: dict[str, Any]) -> onnxruntime.SessionOptions:
    """The session's options out of the model's configuration."""
    parameters = {name: each["string_value"] for name, each in config.get("parameters", {}).items()}
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(parameters.get("intra_op_thread_count") or DEFAULT_THREADS)
    options.inter_op_num_threads = int(parameters.get("inter_op_thread_count") or 1)
    level = (config.get("optimization") or {}).get("graph", {}).get("level", 1)
    options.graph_optimization_level = GRAPH_LEVELS[int(level)]
    # A thread that spins while it waits takes the core from the other models and processes of a small machine.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    for name, value in parameters.items():
        if name.startswith("session."):
            options.add_session_config_entry(name, value)
    return options


def refuse_unsupported(config: dict[str, Any], instance_kind: str) -> None:
    """Raise for what only the C++ backend can do."""
    if instance_kind != "CPU":
        raise pb_utils.TritonModelException(
            f"{config['name']}: instances of kind {instance_kind} need the C++ ONNX Runtime backend; use KIND_CPU"
        )
    wanted = (config.get("optimization") or {}).get("execution_accelerators") or {}
    names = [each["name"] for each in wanted.get("cpu_execution_accelerator") or []]
    if names:
        raise pb_utils.TritonModelException(
            f"{config['name']}: unknown CPU execution accelerator {', '.join(names)}; this backend has none"
        )


def check_names(kind: str, configured: list[str], in_graph: list[str]) -> None:
    """Raise unless configuration and graph name the same tensors; the graph may have more outputs."""
    unknown = sorted(set(configured) - set(in_graph))
    unfed = sorted(set(in_graph) - set(configured)) if kind == "input" else []
    if unknown or unfed:
        raise pb_utils.TritonModelException(
            f"{kind}s of the configuration and the graph differ: {', '.join(unknown + unfed)}"
        )
