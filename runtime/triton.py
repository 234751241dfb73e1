"""Triton over gRPC, for asyncio: one channel a process, every call with a deadline, Triton's errors as ours."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
from contextlib import aclosing, suppress
from typing import Any

import numpy as np
import tritonclient.grpc.aio as triton_grpc
from grpc.aio import AioRpcError  # type: ignore[import-untyped]
from numpy.typing import NDArray
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from contracts.errors import (
    DeadlineExceeded,
    DependencyDown,
    DependencyFailed,
    Overloaded,
    RequestRefused,
    TriremeError,
)
from contracts.trace import TRACEPARENT, TraceContext
from runtime.tracing import span

_MAX_MESSAGE_BYTES = 64 * 1024 * 1024
# gRPC's default waits up to two minutes before it tries a restarted server again.
_CHANNEL: list[tuple[str, int]] = [
    ("grpc.max_send_message_length", _MAX_MESSAGE_BYTES),
    ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 1000),
]
_READY_TIMEOUT_S = 2.0
_END_TIMEOUT_S = 1.0


class TritonClient:
    """Runs models on one Triton server. Create and use it inside one event loop.

    Args:
        url: host:port of Triton's gRPC door.
        max_in_flight: calls under way at once; more wait here, within their own deadlines.
    """

    def __init__(self, url: str, *, max_in_flight: int = 64) -> None:
        self._client = triton_grpc.InferenceServerClient(url, channel_args=_CHANNEL)
        self._slots = asyncio.Semaphore(max_in_flight)
        self._largest: dict[str, int] = {}

    async def infer(
        self,
        model: str,
        inputs: Mapping[str, NDArray[Any]],
        outputs: Sequence[str],
        *,
        priority: int,
        timeout_s: float,
        trace: TraceContext | None = None,
    ) -> dict[str, NDArray[Any]]:
        """Run a model once and return its outputs by name.

        Args:
            inputs: arrays with their batch dimension.
            priority: 1 query, 2 upload, 3 bulk.
            timeout_s: for waiting, queueing and computing together; Triton drops the request after it too.

        Raises:
            DependencyDown: the server or the model is not there.
            Overloaded: the model's queue is full.
            DeadlineExceeded: no answer in time.
            DependencyFailed: the model failed.
            RequestRefused: the server or the model refused the tensors or what is in them.
        """
        try:
            with span(f"triton {model}", trace) as hop:
                async with asyncio.timeout(timeout_s), self._slots:
                    result = await self._client.infer(
                        model,
                        _tensors(inputs),
                        outputs=[triton_grpc.InferRequestedOutput(name) for name in outputs],
                        priority=priority,
                        timeout=max(1, int(timeout_s * 1e6)),
                        client_timeout=timeout_s,
                        headers={TRACEPARENT: hop.header()} if hop else None,
                    )
        except TimeoutError as exc:
            raise DeadlineExceeded(f"The model '{model}' did not answer in time.") from exc
        except InferenceServerException as exc:
            self._largest.pop(model, None)  # It may have been replaced by one that takes less.
            raise as_our_error(exc, model) from exc
        return {name: result.as_numpy(name) for name in outputs}

    async def largest_batch(self, model: str, *, timeout_s: float) -> int:
        """The most rows that the model takes in one request; asked once, and again after an error.

        Raises:
            DependencyDown, DependencyFailed, DeadlineExceeded: the server did not say.
        """
        if model not in self._largest:
            try:
                found = await self._client.get_model_config(model, client_timeout=timeout_s)
            except InferenceServerException as exc:
                raise as_our_error(exc, model) from exc
            self._largest[model] = max(1, found.config.max_batch_size)
        return self._largest[model]

    async def stream(
        self,
        model: str,
        inputs: Mapping[str, NDArray[Any]],
        *,
        first_timeout_s: float,
        trace: TraceContext | None = None,
    ) -> AsyncGenerator[Mapping[str, NDArray[Any]], None]:
        """Run a decoupled model; yields each response. Closing the iterator cancels the request in Triton.

        Args:
            first_timeout_s: longest wait for each response.

        Raises:
            the same as `infer`.
        """

        async def requests() -> AsyncIterator[dict[str, Any]]:
            yield {
                "model_name": model,
                "inputs": _tensors(inputs),
                "enable_empty_final_response": True,
            }

        with span(f"triton {model}", trace) as hop:
            async with aclosing(self._responses(model, requests(), first_timeout_s, hop)) as responses:
                async for response in responses:
                    yield response

    async def _responses(
        self,
        model: str,
        requests: AsyncIterator[dict[str, Any]],
        first_timeout_s: float,
        trace: TraceContext | None,
    ) -> AsyncGenerator[Mapping[str, NDArray[Any]], None]:
        headers = {TRACEPARENT: trace.header()} if trace else None
        responses = self._client.stream_infer(requests, headers=headers)
        try:
            while True:
                async with asyncio.timeout(first_timeout_s):
                    result, error = await anext(responses)
                if error is not None:
                    await _end(responses)
                    raise as_our_error(error, model)
                response = result.get_response()
                if response.outputs:
                    yield {output.name: result.as_numpy(output.name) for output in response.outputs}
                final = response.parameters.get("triton_final_response")
                if final is not None and final.bool_param:
                    await _end(responses)
                    return
        except StopAsyncIteration:
            return
        except TimeoutError as exc:
            raise DeadlineExceeded(f"The model '{model}' did not answer in time.") from exc
        except InferenceServerException as exc:
            raise as_our_error(exc, model) from exc
        except AioRpcError as exc:  # Of a stream, the client hands gRPC's own error on.
            known = InferenceServerException(msg=str(exc.details()), status=str(exc.code()))
            raise as_our_error(known, model) from exc
        finally:
            responses.cancel()

    async def ready(self, models: Iterable[str]) -> bool:
        """Whether the server calls all these models loaded. It may say so of one whose process died."""
        try:
            return all(
                [await self._client.is_model_ready(name, client_timeout=_READY_TIMEOUT_S) for name in models]
            )
        except InferenceServerException:
            return False

    async def close(self) -> None:
        """Close the channel."""
        await self._client.close()


async def _end(responses: AsyncIterator[object]) -> None:
    """Wait for the server to close a stream that has had its last response.

    Otherwise cancelling it may meet that end, and Triton 2.51 crashes when the two meet, as upstream describes:
    https://github.com/triton-inference-server/server/issues/7368.
    """
    with suppress(TimeoutError, InferenceServerException, AioRpcError):
        async with asyncio.timeout(_END_TIMEOUT_S):
            async for _ in responses:
                pass


def as_our_error(exc: InferenceServerException, model: str) -> TriremeError:
    """Triton's error as one of ours. Triton says UNAVAILABLE for full queues, expired requests and no server."""
    status, text = str(exc.status() or ""), str(exc.message() or "").lower()
    if "queue size" in text or "RESOURCE_EXHAUSTED" in status:
        return Overloaded(f"The model '{model}' has too many requests waiting.", retry_after_s=1.0)
    if "DEADLINE_EXCEEDED" in status or "timeout expired" in text or "CANCELLED" in status:
        return DeadlineExceeded(f"The model '{model}' did not answer in time.")
    if "UNAVAILABLE" in status or "unknown model" in text or "not ready" in text or "NOT_FOUND" in status:
        return DependencyDown("triton", f"The model '{model}' cannot be reached at the moment.")
    sentence = f"The model '{model}' could not process the request."
    # An error within a stream brings no status.
    if "INVALID_ARGUMENT" in status or "invalid argument" in text:
        return RequestRefused("triton", str(exc.message() or ""), sentence)
    return DependencyFailed("triton", sentence)


def _tensors(inputs: Mapping[str, NDArray[Any]]) -> list[Any]:
    tensors = []
    for name, array in inputs.items():
        tensor = triton_grpc.InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
        tensor.set_data_from_numpy(np.ascontiguousarray(array))
        tensors.append(tensor)
    return tensors
