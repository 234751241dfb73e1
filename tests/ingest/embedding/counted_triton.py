"""Triton's gRPC door with encoders that are computed from their rows, counted, and that can be held up."""

from __future__ import annotations

import hashlib
import threading
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc  # type: ignore[import-untyped]
import numpy as np
from numpy.typing import NDArray
from tritonclient.grpc import service_pb2 as pb
from tritonclient.grpc import service_pb2_grpc as rpc

DIM = 384
MAX_BATCH = 8
_TYPES = {"INT64": np.int64, "UINT8": np.uint8}


class CountedTriton(rpc.GRPCInferenceServiceServicer):  # type: ignore[misc]
    """Knows every row that a model was sent, by its hash, and whether it was answered.

    Args:
        stops_after: every model answers this many rows, and no more until `go_on`.
    """

    def __init__(self, stops_after: int) -> None:
        self.answered: defaultdict[str, list[bytes]] = defaultdict(list)
        self.held_up: defaultdict[str, list[bytes]] = defaultdict(list)
        self.batches: list[int] = []
        self.url = ""
        self._stops_after = stops_after
        self._lock = threading.Lock()
        self._may_go_on = threading.Event()

    def go_on(self) -> None:
        """Answer everything from now on; what was held up belongs to callers who are gone."""
        self._may_go_on.set()

    def ModelConfig(  # noqa: N802 - the protocol's name
        self, request: pb.ModelConfigRequest, context: grpc.ServicerContext
    ) -> pb.ModelConfigResponse:
        """How many rows the models take."""
        response = pb.ModelConfigResponse()
        response.config.name = request.name
        response.config.max_batch_size = MAX_BATCH
        return response

    def ModelInfer(  # noqa: N802 - the protocol's name
        self, request: pb.ModelInferRequest, context: grpc.ServicerContext
    ) -> pb.ModelInferResponse:
        """Vectors of the rows of the first input."""
        rows = _rows(request)
        names = [hashlib.sha256(row.tobytes()).digest() for row in rows]
        with self._lock:
            self.batches.append(len(names))
            answered = self.answered[request.model_name]
            held_up = not self._may_go_on.is_set() and len(answered) >= self._stops_after
            (self.held_up[request.model_name] if held_up else answered).extend(names)
        if held_up:
            self._may_go_on.wait()
            context.abort(grpc.StatusCode.CANCELLED, "the caller is gone")
        vectors = np.stack([_vector(name) for name in names])
        response = pb.ModelInferResponse(model_name=request.model_name, raw_output_contents=[vectors.tobytes()])
        response.outputs.add(name="embedding", datatype="FP32", shape=vectors.shape)
        return response


@contextmanager
def counted_triton(stops_after: int) -> Iterator[CountedTriton]:
    """The server on a free port of the loopback address."""
    servicer = CountedTriton(stops_after)
    server = grpc.server(ThreadPoolExecutor(16))
    rpc.add_GRPCInferenceServiceServicer_to_server(servicer, server)
    servicer.url = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield servicer
    finally:
        servicer.go_on()
        server.stop(None).wait(10)


def _rows(request: pb.ModelInferRequest) -> NDArray[Any]:
    """The first input. A text is padded to its bucket, so it looks the same whatever its neighbours."""
    tensor = request.inputs[0]
    return np.frombuffer(request.raw_input_contents[0], _TYPES[tensor.datatype]).reshape(tensor.shape)


def _vector(name: bytes) -> NDArray[np.float32]:
    raw = np.random.default_rng(int.from_bytes(name[:8], "big")).normal(size=DIM)
    return (raw / np.linalg.norm(raw)).astype(np.float32)
