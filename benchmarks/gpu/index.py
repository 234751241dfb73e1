"""The index on a device: Trireme's own graphs (CAGRA), one or three shards of them, beside Faiss's exact scan.

Each row: median and 99th percentile of a call with one and with 64 queries, queries a second, and recall@10
against the exact best of all rows.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from benchmarks.gpu.index_data import JointData, K, draw, exact, recall
from index_service.kinds.gpu import CagraOnDevice, build_cagra, gpu_count
from index_service.kinds.parameters import IndexParameters

BATCHES = (1, 64)
EFFORTS = (0.0625, 0.125, 0.25, 0.5, 1.0)
N_SHARDS = 3
_FAISS: Any = faiss
_CALLS = 200
_CPU_QUERIES = 200

Row = dict[str, Any]
Ask = Callable[[NDArray[np.float32]], tuple[NDArray[np.float32], NDArray[np.int64]]]


def index_rows(n_rows: int, n_queries: int, *, shards: bool) -> Iterator[Row]:
    """Measure everything over so many rows; each row of figures is given as soon as it is known."""
    start = time.perf_counter()
    data = draw(n_rows, n_queries)
    wanted = exact(data)
    yield {"part": "index", "rows": n_rows, "what": "data drawn and scanned", "seconds": _since(start)}
    yield from _flat(data, wanted)
    parameters = IndexParameters(gpu=0 if gpu_count() else None)
    if not gpu_count():
        return
    start = time.perf_counter()
    graph = build_cagra(data.rows, parameters)
    yield {"part": "index", "rows": n_rows, "what": "CAGRA built on the device", "seconds": _since(start)}
    start = time.perf_counter()
    searcher = CagraOnDevice(graph, parameters)
    loaded = {"part": "index", "rows": n_rows, "what": "CAGRA copied to the device", "seconds": _since(start)}
    yield loaded | {"gib": round(searcher.memory_bytes / 2**30, 2)}
    for effort in EFFORTS:
        yield from _asked(data, wanted, "CAGRA", _ask_one(searcher, effort), effort=effort)
    yield from _on_cpu(data, wanted, graph, parameters)
    del searcher, graph
    if shards:
        yield from _sharded(data, wanted, parameters)


def _flat(data: JointData, wanted: NDArray[np.int64]) -> Iterator[Row]:
    if not gpu_count():
        plain = faiss.IndexFlatIP(data.rows.shape[1])
        plain.add(data.rows.astype(np.float32))
        yield from _asked(data, wanted, "exact on the CPU", lambda queries: plain.search(queries, K))
        return
    config = _FAISS.GpuIndexFlatConfig()
    config.useFloat16 = True
    index = _FAISS.GpuIndexFlatIP(_FAISS.StandardGpuResources(), data.rows.shape[1], config)
    for first in range(0, len(data.rows), 500_000):
        index.add(data.rows[first : first + 500_000].astype(np.float32))
    yield from _asked(data, wanted, "Faiss exact fp16", lambda queries: index.search(queries, K))


def _ask_one(searcher: CagraOnDevice, effort: float) -> Ask:
    return lambda queries: searcher.search(queries, K, effort, None)


def _sharded(data: JointData, wanted: NDArray[np.int64], parameters: IndexParameters) -> Iterator[Row]:
    """Three logical shards by document, all on one device, asked one after the other by its one thread."""
    searchers, numbers = [], []
    start = time.perf_counter()
    for shard in range(N_SHARDS):
        mine = np.flatnonzero(data.documents % N_SHARDS == shard)
        searchers.append(CagraOnDevice(build_cagra(data.rows[mine], parameters), parameters))
        numbers.append(mine)
    yield {"part": "index", "rows": len(data.rows), "what": "three shards built", "seconds": _since(start)}

    def ask(effort: float) -> Ask:
        def search(queries: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
            found = [searcher.search(queries, K, effort, None) for searcher in searchers]
            scores = np.hstack([each for each, _ in found])
            rows = np.hstack([mine[slots] for (_, slots), mine in zip(found, numbers, strict=True)])
            best = np.argsort(-scores, axis=1)[:, :K]
            return np.take_along_axis(scores, best, 1), np.take_along_axis(rows, best, 1)

        return search

    for effort in EFFORTS:
        yield from _asked(data, wanted, "CAGRA, three shards", ask(effort), effort=effort)


def _on_cpu(data: JointData, wanted: NDArray[np.int64], graph: Any, parameters: IndexParameters) -> Iterator[Row]:
    """The same graph as the CPU replica reads it, one thread."""
    faiss.omp_set_num_threads(1)
    for breadth in (160, 320, 640):
        asked = _FAISS.SearchParametersHNSW(efSearch=breadth)
        few = JointData(data.rows, data.documents, data.queries[:_CPU_QUERIES])
        yield from _asked(
            few,
            wanted[:_CPU_QUERIES],
            "the device's graph on a CPU thread",
            lambda queries, asked=asked: graph.search(queries, K, params=asked),  # type: ignore[misc]
            batches=(1,),
            ef_search=breadth,
        )
    del parameters


def _asked(
    data: JointData,
    wanted: NDArray[np.int64],
    what: str,
    ask: Ask,
    *,
    batches: Sequence[int] = BATCHES,
    **facts: Any,
) -> Iterator[Row]:
    found = np.vstack([ask(data.queries[i : i + 64])[1] for i in range(0, len(data.queries), 64)])
    row: Row = {"part": "index", "rows": len(data.rows), "what": what, **facts}
    row["recall"] = round(recall(found, wanted), 4)
    for batch in batches:
        taken = []
        for call in range(_CALLS):
            first = call * batch % max(1, len(data.queries) - batch)
            start = time.perf_counter()
            ask(data.queries[first : first + batch])
            taken.append(time.perf_counter() - start)
        milliseconds = np.array(taken[_CALLS // 10 :]) * 1000
        row[f"p50_ms_{batch}"] = round(float(np.median(milliseconds)), 3)
        row[f"p99_ms_{batch}"] = round(float(np.percentile(milliseconds, 99)), 3)
        row[f"queries_s_{batch}"] = round(batch * 1000 / float(milliseconds.mean()), 1)
    yield row


def _since(start: float) -> float:
    return round(time.perf_counter() - start, 1)
