"""Graphs on GPUs: CAGRA, built and searched on the device, and left behind as an HNSW that any CPU can serve.

Faiss's GPU indexes are not safe to use from two threads, not even to read. So each device has one thread, which
alone touches what lies on it; everybody else hands it work and waits, with a deadline. Figures, and what was
run on a card: docs/benchmarks/gpu.md.
"""

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from functools import cache
from typing import Any, TypeVar

import faiss
import numpy as np
from numpy.typing import NDArray

from contracts.errors import DeadlineExceeded, Overloaded
from index_service.bitmap import SlotNumbers
from index_service.kinds.graph import Graph
from index_service.kinds.parameters import IndexParameters, breadth_for
from index_service.vectors import Scores

T = TypeVar("T")

_FAISS: Any = faiss
_WAITING = 64
_SEARCH_TIMEOUT_S = 5.0
_BUILD_TIMEOUT_S = 3600.0
# CAGRA keeps this many candidates at most.
_MOST_CANDIDATES = 2048


def gpu_count() -> int:
    """GPUs that this build of Faiss can use: 0 in the CPU package."""
    return int(_FAISS.get_num_gpus()) if hasattr(faiss, "StandardGpuResources") else 0


def on_gpu(parameters: IndexParameters) -> bool:
    """Whether the device that these parameters name is there."""
    return parameters.gpu is not None and parameters.gpu < gpu_count()


class DeviceThread:
    """The one thread that works on a device. Work is done in the order in which it came.

    Args:
        waiting: works that may wait; more are refused.
    """

    def __init__(self, name: str, *, waiting: int = _WAITING) -> None:
        self._work: queue.Queue[Callable[[], None]] = queue.Queue(maxsize=waiting)
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def do(self, work: Callable[[], T], timeout_s: float) -> T:
        """Have something done there, and return or raise what it returned or raised.

        Raises:
            Overloaded: too much waits already.
            DeadlineExceeded: it is not done in time; what has begun is not stopped.
        """
        future: Future[T] = Future()

        def run() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(work())
            except BaseException as exc:  # noqa: BLE001 - it belongs to whoever asked
                future.set_exception(exc)

        try:
            self._work.put_nowait(run)
        except queue.Full as exc:
            raise Overloaded("Too many searches wait for the device.") from exc
        try:
            return future.result(timeout_s)
        except FutureTimeoutError as exc:
            future.cancel()
            raise DeadlineExceeded(f"The device has not answered within {timeout_s:g} s.") from exc

    def _run(self) -> None:
        while True:
            self._work.get()()


@cache
def device_thread(device: int) -> DeviceThread:
    """The thread of a device, the same for the whole process."""
    return DeviceThread(f"gpu-{device}")


@cache
def _resources(device: int) -> Any:
    """Faiss's memory on a device. Only its thread asks."""
    del device
    return _FAISS.StandardGpuResources()


def build_cagra(vectors: NDArray[np.float16], parameters: IndexParameters) -> Any:
    """A graph over all rows, float16 [n, dim], built on a device; an `IndexHNSWCagra` in the host's memory.

    Of its levels there is only the lowest: searches on a CPU enter it at several places.

    Raises:
        DeadlineExceeded, RuntimeError: the device does not get done, or has not enough memory.
    """
    device = _device(parameters)

    def build() -> Any:
        config = _FAISS.GpuIndexCagraConfig()
        config.device = device
        # Faiss's default refines on the host, where a million float16 rows of 768 took eight cores over 75 s.
        config.build_algo = _FAISS.graph_build_algo_NN_DESCENT
        config.graph_degree = 2 * parameters.m
        config.intermediate_graph_degree = 4 * parameters.m
        dim = vectors.shape[1]
        index = _FAISS.GpuIndexCagra(_resources(device), dim, faiss.METRIC_INNER_PRODUCT, config)
        index.train(vectors, numeric_type=_FAISS.Float16)
        graph = _FAISS.IndexHNSWCagra(dim, parameters.m, faiss.METRIC_INNER_PRODUCT, _FAISS.Float16)
        # Of float16 rows Faiss copies no other level.
        graph.base_level_only = True
        index.copyTo(graph)
        return graph

    return device_thread(device).do(build, _BUILD_TIMEOUT_S)


class CagraOnDevice:
    """A segment's graph on a device.

    Args:
        graph: an `IndexHNSWCagra` over float16 rows (`flat_index`); copied to the device, and kept, because
            Faiss goes on pointing at its rows.
    """

    def __init__(self, graph: Any, parameters: IndexParameters) -> None:
        self._device = _device(parameters)
        self._graph = graph
        self.n_rows = int(graph.ntotal)
        self._breadth = breadth_for(self.n_rows, parameters)
        self.memory_bytes = self.n_rows * (2 * int(graph.d) + 8 * parameters.m)
        device = self._device

        def load() -> Any:
            config = _FAISS.GpuIndexCagraConfig()
            config.device = device
            index = _FAISS.GpuIndexCagra(_resources(device), int(graph.d), faiss.METRIC_INNER_PRODUCT, config)
            index.copyFrom_ex(graph, _FAISS.Float16)
            return index

        self._index = device_thread(device).do(load, _BUILD_TIMEOUT_S)

    def search(
        self, queries: Scores, k: int, effort: float, packed: NDArray[np.uint8] | None
    ) -> tuple[Scores, SlotNumbers]:
        """As `Searcher.search`. Devices take no selector: more is fetched, and some of it dropped again."""
        fetch = min(self.n_rows, _MOST_CANDIDATES, k if packed is None else int(k * max(2.0, effort)))

        def search() -> tuple[Scores, SlotNumbers]:
            parameters = _FAISS.SearchParametersCagra()
            parameters.itopk_size = min(_MOST_CANDIDATES, max(fetch, int(self._breadth * effort)))
            found: tuple[Scores, SlotNumbers] = self._index.search(
                queries, fetch, params=parameters, numeric_type=_FAISS.Float16
            )
            return found

        scores, slots = device_thread(self._device).do(search, _SEARCH_TIMEOUT_S)
        if packed is not None:
            inside = (slots >= 0) & ((packed[slots >> 3] >> (slots & 7).astype(np.uint8) & 1) == 1)
            slots = np.where(inside, slots, -1)
        return scores, slots


def on_device(graph: Graph, vectors: Any, parameters: IndexParameters) -> CagraOnDevice:
    """A graph that came from a device, back on it, with the rows of the segment's flat index."""
    return CagraOnDevice(graph.over(vectors), parameters)


def _device(parameters: IndexParameters) -> int:
    assert parameters.gpu is not None
    return parameters.gpu
