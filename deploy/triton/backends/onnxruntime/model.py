"""A Python-based Triton backend that runs `backend: "onnxruntime"` models where the C++ one is not shipped.

Opens `<model>/<version>/model.onnx` on the CPU. Reads the configuration as Triton's own ONNX Runtime backend does:
`default_model_filename`, the parameters `intra_op_thread_count`, `inter_op_thread_count` and `session.*`,
`optimization.graph.level` and the accelerator `openvino`. Requests that the server's batcher hands over together
run as one batch.

Runs inside the server's Python, not in Trireme's: imports nothing of ours. GPUs and other accelerators belong to
the C++ backend; asking for them here is an error in the server's log, not a silent fall back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import triton_python_backend_utils as pb_utils
from batches import BatchMemory, take_apart
from engines import open_engine
from settings import Unsupported, read_settings
from waker import BatcherWaker, needs_waker


class TritonPythonModel:
    """One instance of a model: an engine of its own, so that `instance_group.count` of them run side by side."""

    def initialize(self, args: dict[str, str]) -> None:
        config = json.loads(args["model_config"])
        try:
            settings = read_settings(config, args["model_instance_kind"])
        except Unsupported as error:
            raise pb_utils.TritonModelException(f"{config['name']}: {error}") from error
        filename = config.get("default_model_filename") or "model.onnx"
        path = Path(args["model_repository"]) / args["model_version"] / filename
        if not path.is_file():
            raise pb_utils.TritonModelException(f"{path} does not exist: export the model first")
        self._batches = config.get("max_batch_size", 0) > 0
        self._engine = open_engine(path, settings)
        self._memory = BatchMemory()
        self._inputs = [each["name"] for each in config["input"]]
        self._outputs = [each["name"] for each in config["output"]]
        check_names("input", self._inputs, self._engine.inputs)
        check_names("output", self._outputs, self._engine.outputs)
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
        except Exception:  # noqa: BLE001 - the engines have no error class of their own
            # One request's values (a token id outside the vocabulary) fail the whole run: find out whose.
            return [self._answer_alone(request) for request in requests]

    def _answer_together(self, requests: Sequence[Any]) -> list[Any]:
        parts = [self._feeds(request) for request in requests]
        outputs = self._engine.run(self._outputs, self._memory.join(parts))
        shares = take_apart(outputs, [len(part[self._inputs[0]]) for part in parts])
        return [self._response(request, share) for request, share in zip(requests, shares, strict=True)]

    def _answer_alone(self, request: Any) -> Any:
        try:
            return self._response(request, self._engine.run(self._outputs, self._feeds(request)))
        except Exception as error:  # noqa: BLE001 - the outermost place: the caller gets it
            return pb_utils.InferenceResponse(error=pb_utils.TritonError(str(error)))

    def _feeds(self, request: Any) -> Mapping[str, Any]:
        """The request's inputs as views of the memory that it shares with the server."""
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


def check_names(kind: str, configured: Sequence[str], in_graph: Sequence[str]) -> None:
    """Raise unless configuration and graph name the same tensors; the graph may have more outputs."""
    unknown = sorted(set(configured) - set(in_graph))
    unfed = sorted(set(in_graph) - set(configured)) if kind == "input" else []
    if unknown or unfed:
        raise pb_utils.TritonModelException(
            f"{kind}s of the configuration and the graph differ: {', '.join(unknown + unfed)}"
        )
