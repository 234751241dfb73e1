"""A Python-based Triton backend for language models: `backend: "genai"`, decoupled, one response a token.

Opens `<model>/<version>/`, a folder that onnxruntime-genai's builder wrote, on the CPU. Parameters of the
configuration: `slots` (answers written side by side), `max_queue_size` and `max_queue_seconds` (requests that
wait), `max_tokens` (longest answer), `prefill_tokens` (of a prompt, read in one turn), `intra_op_thread_count`.

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
from ask import Ask, Limits, read_ask
from engine import FINISH_LENGTH, Engine, EngineAnswer
from scheduler import Progress, QueueFull, Scheduler, WaitedTooLong

CLOSE_TIMEOUT_S = 10.0
DEFAULTS = {
    "slots": 4,
    "max_queue_size": 32,
    "max_queue_seconds": 30,
    "max_tokens": 1024,
    "prefill_tokens": 64,
    "intra_op_thread_count": 1,
}


class TritonPythonModel:
    """The one instance of the model: its slots are what runs side by side."""

    def initialize(self, args: dict[str, str]) -> None:
        config = json.loads(args["model_config"])
        if args["model_instance_kind"] != "CPU" or sum(each["count"] for each in config["instance_group"]) != 1:
            raise pb_utils.TritonModelException(
                f"{config['name']}: this backend runs one instance of KIND_CPU; answers at once are its `slots`"
            )
        settings = read_settings(config)
        folder = Path(args["model_repository"]) / args["model_version"]
        if not (folder / "genai_config.json").is_file():
            raise pb_utils.TritonModelException(f"{folder} holds no exported model: run `trireme export llama`")
        self._inputs = [each["name"] for each in config["input"]]
        self._engine = Engine(
            folder, threads=settings["intra_op_thread_count"], prefill_tokens=settings["prefill_tokens"]
        )
        self._limits = Limits(self._engine.context_tokens, settings["max_tokens"])
        self._warm_up()
        self._scheduler = Scheduler(
            slots=settings["slots"],
            max_waiting=settings["max_queue_size"],
            max_wait_s=settings["max_queue_seconds"],
        )

    def execute(self, requests: Sequence[Any]) -> None:
        """Queue every request and return: answers come from the scheduler's thread.

        A request for no tokens is a health check and answered here.
        """
        for request in requests:
            caller = TritonCaller(request.get_response_sender(), self._engine)
            tensors = self._tensors(request)
            if "max_tokens" in tensors and not tensors["max_tokens"].any():
                caller.send(Progress(finish_reason=FINISH_LENGTH))
                caller.end()
                continue
            try:
                caller.ask = read_ask(tensors, self._limits)
                self._scheduler.submit(caller)
            except (ValueError, QueueFull) as error:
                caller.end(error)

    def finalize(self) -> None:
        self._scheduler.close(CLOSE_TIMEOUT_S)

    def _tensors(self, request: Any) -> dict[str, Any]:
        found = {name: pb_utils.get_input_tensor_by_name(request, name) for name in self._inputs}
        return {name: tensor.as_numpy() for name, tensor in found.items() if tensor is not None}

    def _warm_up(self) -> None:
        """Write two tokens, so that the first caller does not pay for what is set up on first use."""
        ask = read_ask({"input_ids": np.array([1, 1]), "max_tokens": np.array([2])}, self._limits)
        answer = EngineAnswer(self._engine, ask)
        while not answer.turn().finish_reason:
            pass


class TritonCaller:
    """`scheduler.Caller` over one request's response sender."""

    def __init__(self, sender: Any, engine: Engine) -> None:
        self._sender = sender
        self._engine = engine
        self.ask: Ask | None = None

    def is_gone(self) -> bool:
        return bool(self._sender.is_cancelled())

    def start(self) -> EngineAnswer:
        assert self.ask is not None
        return EngineAnswer(self._engine, self.ask)

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


def read_settings(config: dict[str, Any]) -> dict[str, int]:
    """The configuration's parameters over the defaults; an unknown one or one below 1 is an error."""
    given = {name: each["string_value"] for name, each in config.get("parameters", {}).items()}
    unknown = sorted(set(given) - set(DEFAULTS))
    if unknown:
        raise pb_utils.TritonModelException(f"{config['name']}: unknown parameter {', '.join(unknown)}")
    settings = DEFAULTS | {name: int(value) for name, value in given.items()}
    wrong = sorted(name for name, value in settings.items() if value < 1)
    if wrong:
        raise pb_utils.TritonModelException(f"{config['name']}: {', '.join(wrong)} must be at least 1")
    return settings
