"""A Triton Python model in front of TensorRT-LLM's: takes and gives the tensors of LLAMA_SPEC
(contracts/tensors.py).

It puts conversations through the checkpoint's chat template, bounds what is asked for and what waits, passes the
answer on piece by piece, and breaks it off when its reader leaves. Runs inside the server's Python: imports
nothing of ours. ask.py and stops.py are those of deploy/triton/backends/genai.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils
from ask import Ask, read_ask
from chat import Chat
from mapping import FINISH_REASON, OUTPUTS, TEXT_OUTPUT, Piece, Pieces, stop_inputs, writer_inputs

FINAL = pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL


class TritonPythonModel:
    """One instance, one thread an answer."""

    def initialize(self, args: dict[str, str]) -> None:
        config = json.loads(args["model_config"])
        given = {name: each["string_value"] for name, each in config["parameters"].items()}
        folder = Path(args["model_repository"]) / args["model_version"] / given["tokenizer"]
        if not (folder / "tokenizer.json").is_file():
            raise pb_utils.TritonModelException(f"{config['name']}: {folder} holds no tokenizer.json")
        self._chat = Chat(folder)
        self._inputs = [each["name"] for each in config["input"]]
        self._writer = given["writer"]
        self._longest = int(given["max_tokens"])
        self._context = int(given["context_tokens"])
        self._max_wait_s = int(given["max_queue_seconds"])
        slots = int(given["slots"])
        self._room = threading.Semaphore(slots + int(given["max_queue_size"]))
        self._threads = ThreadPoolExecutor(slots, thread_name_prefix="answer")

    def execute(self, requests: Sequence[Any]) -> None:
        """Queue every request and return: answers come from their threads.

        A request for no tokens is a health check and answered here.
        """
        for request in requests:
            sender = request.get_response_sender()
            tensors = self._tensors(request)
            try:
                if "max_tokens" in tensors and not tensors["max_tokens"].any():
                    self._tell_health(sender)
                    continue
                ask = read_ask(tensors, longest=self._longest)
            except ValueError as error:
                end(sender, error)
                continue
            if not self._room.acquire(blocking=False):
                end(sender, Unavailable("Exceeds maximum queue size"))
                continue
            self._threads.submit(self._answer, ask, sender, time.monotonic())

    def finalize(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _tensors(self, request: Any) -> dict[str, Any]:
        found = {name: pb_utils.get_input_tensor_by_name(request, name) for name in self._inputs}
        return {name: tensor.as_numpy() for name, tensor in found.items() if tensor is not None}

    def _tell_health(self, sender: Any) -> None:
        if pb_utils.is_model_ready(self._writer):
            send(sender, Piece("", (), 0, "length"), prompt_tokens=0)
            end(sender)
        else:
            end(sender, Unavailable(f"the model {self._writer} is not ready"))

    def _answer(self, ask: Ask, sender: Any, asked_at_s: float) -> None:
        """Write one answer to its end; runs in a thread of its own."""
        try:
            if sender.is_cancelled():
                end(sender)
                return
            if time.monotonic() - asked_at_s > self._max_wait_s:
                raise Unavailable("Request timeout expired")
            self._pass_on(ask, sender)
            end(sender)
        except Exception as error:  # noqa: BLE001 - the outermost place: its caller gets it
            end(sender, error)
        finally:
            self._room.release()

    def _pass_on(self, ask: Ask, sender: Any) -> None:
        prompt = self._prompt(ask)
        prompt_tokens = len(self._chat.encode(prompt))
        if prompt_tokens >= self._context:
            raise ValueError(f"the prompt has {prompt_tokens} tokens; the context holds {self._context}")
        inputs = writer_inputs(ask, self._chat.for_a_tokenizer_that_starts(prompt))
        request_id = uuid.uuid4().hex
        pieces = Pieces(ask, self._chat.encode)
        for text, reason in self._ask_writer(inputs, request_id):
            if sender.is_cancelled():
                self._break_off(request_id)
                return
            piece = pieces.next(text, reason)
            if piece.delta or piece.reason:
                send(sender, piece, prompt_tokens)
            if piece.reason:
                if reason == "None":
                    # A stop text was found here; the writer knows nothing of it and would go on.
                    self._break_off(request_id)
                return

    def _prompt(self, ask: Ask) -> str:
        if ask.messages is not None:
            return self._chat.prompt(json.loads(ask.messages))
        if ask.input_ids is not None:
            return self._chat.decode(ask.input_ids)
        return ask.prompt or ""

    def _ask_writer(self, inputs: Mapping[str, Any], request_id: str) -> Iterator[tuple[str, str]]:
        """All text so far and why it ended, or "None", response by response."""
        request = pb_utils.InferenceRequest(
            model_name=self._writer,
            request_id=request_id,
            requested_output_names=list(OUTPUTS),
            inputs=[pb_utils.Tensor(name, value) for name, value in inputs.items()],
        )
        for response in request.exec(decoupled=True):
            if response.has_error():
                raise RuntimeError(response.error().message())
            texts = pb_utils.get_output_tensor_by_name(response, TEXT_OUTPUT)
            reasons = pb_utils.get_output_tensor_by_name(response, FINISH_REASON)
            # The last response of a stream may be empty.
            if texts is not None and reasons is not None:
                yield _text(texts), _text(reasons)

    def _break_off(self, request_id: str) -> None:
        """Tell the writer to stop, in the way its Triton model has: a second request with the same id."""
        request = pb_utils.InferenceRequest(
            model_name=self._writer,
            request_id=request_id,
            requested_output_names=[TEXT_OUTPUT],
            inputs=[pb_utils.Tensor(name, value) for name, value in stop_inputs().items()],
        )
        # It answers with an error that says "cancelled".
        for _ in request.exec(decoupled=True):
            pass


class Unavailable(Exception):
    """No place, or no writer; in the words that Triton's own queues use."""


def send(sender: Any, piece: Piece, prompt_tokens: int) -> None:
    """Hand a piece to the reader."""
    tensors = [
        pb_utils.Tensor("delta", np.array([piece.delta.encode()], dtype=np.object_)),
        pb_utils.Tensor("token_ids", np.array(piece.token_ids, dtype=np.int32)),
        pb_utils.Tensor("prompt_tokens", np.array([prompt_tokens], dtype=np.int32)),
        pb_utils.Tensor("completion_tokens", np.array([piece.completion_tokens], dtype=np.int32)),
        pb_utils.Tensor("finish_reason", np.array([piece.reason.encode()], dtype=np.object_)),
    ]
    sender.send(pb_utils.InferenceResponse(output_tensors=tensors))


def end(sender: Any, error: Exception | None = None) -> None:
    """Close the reader's stream, with an error or without."""
    if error is None:
        sender.send(flags=FINAL)
    elif isinstance(error, Unavailable):
        told = pb_utils.TritonError(str(error), pb_utils.TritonError.UNAVAILABLE)
        sender.send(pb_utils.InferenceResponse(error=told), flags=FINAL)
    elif isinstance(error, ValueError):
        told = pb_utils.TritonError(f"Invalid argument: {error}", pb_utils.TritonError.INVALID_ARG)
        sender.send(pb_utils.InferenceResponse(error=told), flags=FINAL)
    else:
        told = pb_utils.TritonError(f"Internal: {error}", pb_utils.TritonError.INTERNAL)
        sender.send(pb_utils.InferenceResponse(error=told), flags=FINAL)


def _text(tensor: Any) -> str:
    value = tensor.as_numpy().reshape(-1)[0]
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
