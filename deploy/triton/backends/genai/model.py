"""A Python-based Triton backend for language models: `backend: "genai"`, decoupled, one response a token.

Opens `<model>/<version>/`, a folder that `trireme export llama` wrote, on the CPU or, with KIND_GPU, on a GPU.
Parameters of the configuration: `slots` (answers written side by side), `max_queue_size` and `max_queue_seconds`
(requests that wait), `max_tokens` (longest answer), `prefill_tokens` (of a prompt, read in one turn),
`intra_op_thread_count`, and `batching`: `turns` (a generator an answer; the default on the CPU) or `engine` (the
library's batches; the default on a GPU).

Runs inside the server's Python, not in Trireme's: imports nothing of ours. Tensors: `LLAMA_SPEC` in
contracts/tensors.py.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils
from ask import Ask, read_ask
from language_model import FINISH_LENGTH
from scheduler import Answer, Progress, QueueFull, Scheduler, WaitedTooLong
from settings import read_settings
from writer import Writer, open_writer

CLOSE_TIMEOUT_S = 10.0


class TritonPythonModel:
    """The one instance of the model: its slots are what runs side by side."""

    def initialize(self, args: dict[str, str]) -> None:
        config = json.loads(args["model_config"])
        folder = Path(args["model_repository"]) / args["model_version"]
        gpu = int(args["model_instance_device_id"]) if args["model_instance_kind"] == "GPU" else None
        try:
            settings = read_settings(config, on_gpu=gpu is not None)
            writer = open_writer(folder, settings, gpu=gpu)
        except ValueError as error:
            raise pb_utils.TritonModelException(f"{config['name']}: {error}") from error
        self._inputs = [each["name"] for each in config["input"]]
        self._writer = writer
        self._longest = settings.max_tokens
        self._scheduler = Scheduler(
            writer,
            slots=settings.slots,
            max_waiting=settings.max_queue_size,
            max_wait_s=settings.max_queue_seconds,
        )

    def execute(self, requests: Sequence[Any]) -> None:
        """Queue every request and return: answers come from the scheduler's thread.

        A request for no tokens is a health check and answered here.
        """
        for request in requests:
            caller = TritonCaller(request.get_response_sender(), self._writer)
            tensors = self._tensors(request)
            if "max_tokens" in tensors and not tensors["max_tokens"].any():
                self._tell_health(caller)
                continue
            try:
                caller.ask = read_ask(tensors, longest=self._longest)
                self._scheduler.submit(caller)
            except (ValueError, QueueFull) as error:
                caller.end(error)

    def finalize(self) -> None:
        self._scheduler.close(CLOSE_TIMEOUT_S)

    def _tensors(self, request: Any) -> dict[str, Any]:
        found = {name: pb_utils.get_input_tensor_by_name(request, name) for name in self._inputs}
        return {name: tensor.as_numpy() for name, tensor in found.items() if tensor is not None}

    def _tell_health(self, caller: TritonCaller) -> None:
        if self._scheduler.is_running():
            caller.send(Progress(finish_reason=FINISH_LENGTH))
            caller.end()
        else:
            caller.end(RuntimeError(f"no answer can be written any more: {self._scheduler.failure}"))


class TritonCaller:
    """`scheduler.Caller` over one request's response sender."""

    def __init__(self, sender: Any, writer: Writer) -> None:
        self._sender = sender
        self._writer = writer
        self.ask: Ask | None = None

    def is_gone(self) -> bool:
        return bool(self._sender.is_cancelled())

    def start(self) -> Answer:
        assert self.ask is not None
        return self._writer.start(self.ask)

    def send(self, progress: Progress) -> None:
        tensors = [
            pb_utils.Tensor("delta", np.array([progress.delta.encode()], dtype=np.object_)),
            pb_utils.Tensor("token_ids", np.array(progress.token_ids, dtype=np.int32)),
            pb_utils.Tensor("prompt_tokens", np.array([progress.prompt_tokens], dtype=np.int32)),
            pb_utils.Tensor("completion_tokens", np.array([progress.completion_tokens], dtype=np.int32)),
            pb_utils.Tensor("finish_reason", np.array([progress.finish_reason.encode()], dtype=np.object_)),
        ]
        self._sender.send(pb_utils.InferenceResponse(output_tensors=tensors))

    def end(self, error: Exception | None = None) -> None:
        final = pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL
        if error is None:
            self._sender.send(flags=final)
        else:
            self._sender.send(pb_utils.InferenceResponse(error=as_triton_error(error)), flags=final)


def as_triton_error(error: Exception) -> Any:
    """The scheduler's and the caller's errors, in the words that Triton's own queues use."""
    if isinstance(error, QueueFull):
        return pb_utils.TritonError("Exceeds maximum queue size", pb_utils.TritonError.UNAVAILABLE)
    if isinstance(error, WaitedTooLong):
        return pb_utils.TritonError("Request timeout expired", pb_utils.TritonError.UNAVAILABLE)
    if isinstance(error, ValueError):
        return pb_utils.TritonError(f"Invalid argument: {error}", pb_utils.TritonError.INVALID_ARG)
    return pb_utils.TritonError(f"Internal: {error}", pb_utils.TritonError.INTERNAL)
