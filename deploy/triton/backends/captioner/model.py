"""A Python-based Triton backend for captioners: `backend: "captioner"`, decoupled, one response a picture.

Opens `<model>/<version>/`, a folder that `trireme export captioner` wrote, on the CPU. Parameters of the
configuration: `batch` (pictures that go through the graphs together), `max_queue_size` and `max_queue_seconds`
(pictures that wait), `max_tokens` (longest caption), `intra_op_thread_count`.

Runs inside the server's Python, not in Trireme's: imports nothing of ours. Tensors: `CAPTIONER_SPEC` in
contracts/tensors.py.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils
from gathering import Gatherer, QueueFull, WaitedTooLong
from greedy import Captioner

CLOSE_TIMEOUT_S = 10.0
DEFAULTS = {
    "batch": 4,
    "max_queue_size": 64,
    "max_queue_seconds": 120,
    "max_tokens": 30,
    "intra_op_thread_count": 1,
}


class TritonPythonModel:
    """The one instance of the model; it takes what waits in batches."""

    def initialize(self, args: dict[str, str]) -> None:
        config = json.loads(args["model_config"])
        if args["model_instance_kind"] != "CPU" or sum(each["count"] for each in config["instance_group"]) != 1:
            raise pb_utils.TritonModelException(f"{config['name']}: this backend runs one instance of KIND_CPU")
        settings = read_settings(config)
        folder = Path(args["model_repository"]) / args["model_version"]
        if not (folder / "captioner.json").is_file():
            raise pb_utils.TritonModelException(
                f"{folder} holds no exported model: run `trireme export captioner`"
            )
        self._captioner = Captioner(folder, threads=settings["intra_op_thread_count"])
        self._max_tokens = min(settings["max_tokens"], self._captioner.longest)
        size = self._captioner.image_size
        # The first caller does not pay for what is set up on first use.
        self._captioner.tokens(np.zeros((1, size, size, 3), dtype=np.uint8), [2])
        self._gatherer = Gatherer(
            self._captions,
            batch=settings["batch"],
            max_waiting=settings["max_queue_size"],
            max_wait_s=settings["max_queue_seconds"],
        )

    def execute(self, requests: Sequence[Any]) -> None:
        """Queue every request and return: captions come from the gatherer's thread.

        A request for no tokens is a health check and answered here.
        """
        for request in requests:
            caller = Caller(request.get_response_sender())
            try:
                caller.max_tokens = self._asked_tokens(request)
                if caller.max_tokens == 0:
                    caller.done(("", 0))
                    continue
                caller.image = self._image(request)
                self._gatherer.submit(caller)
            except (ValueError, QueueFull) as error:
                caller.failed(error)

    def finalize(self) -> None:
        self._gatherer.close(CLOSE_TIMEOUT_S)

    def _captions(self, callers: Sequence[Caller]) -> list[tuple[str, int]]:
        images = np.stack([caller.image for caller in callers])
        captions = self._captioner.tokens(images, [caller.max_tokens for caller in callers])
        return [(self._captioner.words(tokens), len(tokens)) for tokens in captions]

    def _asked_tokens(self, request: Any) -> int:
        tensor = pb_utils.get_input_tensor_by_name(request, "max_tokens")
        if tensor is None:
            return self._max_tokens
        asked = int(tensor.as_numpy().reshape(-1)[0])
        if asked < 0:
            raise ValueError("max_tokens is below 0")
        return min(asked, self._max_tokens)

    def _image(self, request: Any) -> Any:
        tensor = pb_utils.get_input_tensor_by_name(request, "image")
        if tensor is None:
            raise ValueError("there is no image")
        image, size = tensor.as_numpy(), self._captioner.image_size
        if image.shape != (size, size, 3):
            raise ValueError(f"the image has the shape {image.shape}, not ({size}, {size}, 3)")
        return image


class Caller:
    """`gathering.Job` over one request's response sender."""

    def __init__(self, sender: Any) -> None:
        self._sender = sender
        self.image: Any = None
        self.max_tokens = 0

    def is_gone(self) -> bool:
        return bool(self._sender.is_cancelled())

    def done(self, result: tuple[str, int]) -> None:
        caption, token_count = result
        response = pb_utils.InferenceResponse(
            output_tensors=[
                pb_utils.Tensor("caption", np.array([caption.encode()], dtype=np.object_)),
                pb_utils.Tensor("token_count", np.array([token_count], dtype=np.int32)),
            ]
        )
        self._sender.send(response, flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)

    def failed(self, error: Exception) -> None:
        response = pb_utils.InferenceResponse(error=as_triton_error(error))
        self._sender.send(response, flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)


def as_triton_error(error: Exception) -> Any:
    """The queue's and the caller's errors, in the words that Triton's own queues use."""
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
        raise pb_utils.TritonModelException(f"{config['name']}: unknown parameters {', '.join(unknown)}")
    try:
        settings = DEFAULTS | {name: int(value) for name, value in given.items()}
    except ValueError as error:
        raise pb_utils.TritonModelException(f"{config['name']}: a parameter is no whole number") from error
    if min(settings.values()) < 1:
        raise pb_utils.TritonModelException(f"{config['name']}: parameters must be at least 1")
    return settings
