"""A Python-based Triton backend that runs `backend: "onnxruntime"` models where the C++ one is not shipped.

Opens `<model>/<version>/model.onnx` on the CPU. Reads the configuration as Triton's own ONNX Runtime backend does:
`default_model_filename`, the parameters `intra_op_thread_count`, `inter_op_thread_count` and `session.*`,
`optimization.graph.level` and the accelerator `openvino`. Requests that the server's batcher hands over together
run as one batch, or side by side with a thread each where that is done sooner; of texts, those of like length run
together (`grouping.py`).

Runs inside the server's Python, not in Trireme's: imports nothing of ours. GPUs and other accelerators belong to
the C++ backend; asking for them here is an error in the server's log, not a silent fall back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import triton_python_backend_utils as pb_utils
from engines import open_engine
from runner import Runner
from settings import Unsupported, read_settings
from waker import BatcherWaker, needs_waker


class TritonPythonModel:
    """One instance of a model: an engine of its own, so that `instance_group.count` of them run side by side."""

    @staticmethod
    def auto_complete_config(auto_complete_model_config: Any) -> Any:
        """Tell the server's batcher that requests of unequal length may come together: `grouping.py` parts them.

        Said here and not in config.pbtxt, because the C++ backend reads an input that is declared so as one long
        row of all requests' values. The server keeps what this changes of the inputs.
        """
        for each in auto_complete_model_config.as_dict()["input"]:
            if -1 in map(int, each["dims"]):
                each["allow_ragged_batch"] = True
        return auto_complete_model_config

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
        engine = open_engine(path, settings)
        self._inputs = [each["name"] for each in config["input"]]
        self._outputs = [each["name"] for each in config["output"]]
        check_names("input", self._inputs, engine.inputs)
        check_names("output", self._outputs, engine.outputs)
        self._runner = Runner(engine, self._outputs)
        self._waker = BatcherWaker(config) if needs_waker(config) else None

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """Answer every request, in order; one that fails gets its own error and spoils no other."""
        if not self._batches:
            return [answer for request in requests for answer in self._answer([request])]
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
        self._runner.close()

    def _answer(self, requests: Sequence[Any]) -> list[Any]:
        answers: list[Any] = []
        for request in requests:
            try:
                answers.append(self._feeds(request))
            except ValueError as error:
                answers.append(error)
        places = [place for place, answer in enumerate(answers) if not isinstance(answer, Exception)]
        for place, found in zip(places, self._runner.answer([answers[place] for place in places]), strict=True):
            answers[place] = found
        return [self._response(request, answer) for request, answer in zip(requests, answers, strict=True)]

    def _feeds(self, request: Any) -> Mapping[str, Any]:
        """The request's inputs as views of the memory that it shares with the server."""
        tensors = {name: pb_utils.get_input_tensor_by_name(request, name) for name in self._inputs}
        missing = sorted(name for name, tensor in tensors.items() if tensor is None)
        if missing:
            raise ValueError(f"missing input {', '.join(missing)}")
        return {name: tensor.as_numpy() for name, tensor in tensors.items()}

    def _response(self, request: Any, answer: Any) -> Any:
        if isinstance(answer, Exception):
            return pb_utils.InferenceResponse(error=pb_utils.TritonError(str(answer)))
        wanted = set(request.requested_output_names())
        tensors = [
            pb_utils.Tensor(name, output)
            for name, output in zip(self._outputs, answer, strict=True)
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
