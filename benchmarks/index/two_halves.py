"""Two half graphs: one over the texts' halves, one over the pictures', joined by exact ranking of both candidate lists."""

from __future__ import annotations

from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from benchmarks.index.faiss_kinds import HNSW_POINTS, FaissKind, Found, written_bytes

_ADD_ROWS = 20_000


class TwoHalves:
    """Rows without a half are not in that half's graph. A query without a half asks the other graph alone."""

    def __init__(self, vectors: NDArray[np.float16], text_dim: int, m: int, ef_construction: int) -> None:
        self._vectors = np.ascontiguousarray(vectors)
        self._parts = [slice(0, text_dim), slice(text_dim, vectors.shape[1])]
        self._rows, self._graphs = [], []
        for part in self._parts:
            present = np.flatnonzero(vectors[:, part].any(axis=1))
            self._rows.append(present)
            self._graphs.append(_graph(vectors[:, part], present, m, ef_construction))

    def search(self, queries: NDArray[np.float32], k: int, point: int) -> Found:
        """`point` candidates of each half at most, ranked exactly; int64 [m, k]."""
        wanted = faiss.SearchParametersHNSW(efSearch=point)
        lists = []
        for part, rows, graph in zip(self._parts, self._rows, self._graphs, strict=True):
            asked = np.ascontiguousarray(queries[:, part])
            found = graph.search(asked, min(point, len(rows)), params=wanted)[1]
            silent = ~asked.any(axis=1, keepdims=True)
            lists.append(np.where((found < 0) | silent, -1, rows[found]))
        return np.stack([self._best(query, *both, k) for query, *both in zip(queries, *lists, strict=True)])

    def size_bytes(self) -> int:
        """Both graphs, the numbers of their rows, and the float16 rows that rank."""
        numbers = sum(rows.nbytes for rows in self._rows)
        return self._vectors.nbytes + numbers + sum(written_bytes(graph) for graph in self._graphs)

    def _best(self, query: NDArray[np.float32], some: Found, others: Found, k: int) -> Found:
        candidates = np.unique(np.concatenate([some, others]))
        candidates = candidates[candidates >= 0]
        scores = self._vectors[candidates].astype(np.float32) @ query
        best = candidates[np.argsort(-scores)[:k]]
        return np.pad(best, (0, k - len(best)), constant_values=-1)


def two_halves(text_dim: int, m: int, ef_construction: int) -> FaissKind:
    """The kind, with float16 storage in both graphs."""
    return FaissKind(
        f"two_halves_m{m}",
        "efSearch",
        HNSW_POINTS,
        lambda vectors: TwoHalves(vectors, text_dim, m, ef_construction),
    )


def _graph(halves: NDArray[np.float16], rows: NDArray[np.int64], m: int, ef_construction: int) -> Any:
    graph = faiss.IndexHNSWSQ(halves.shape[1], faiss.ScalarQuantizer.QT_fp16, m, faiss.METRIC_INNER_PRODUCT)
    graph.hnsw.efConstruction = ef_construction
    for first in range(0, len(rows), _ADD_ROWS):
        graph.add(np.ascontiguousarray(halves[rows[first : first + _ADD_ROWS]], dtype=np.float32))
    return graph
