"""Faiss in process, one file for every kind of segment: how it is built, and the knob that trades speed for recall.

All search by inner product. Kinds that store less than float16 fetch more candidates than asked for and rank them
again on the float16 rows, inside Faiss (`IndexRefine`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

Found = NDArray[np.int64]

_IP = faiss.METRIC_INNER_PRODUCT
_TRAIN_ROWS = 65_536
_ADD_ROWS = 20_000
_SEED = 1234
HNSW_POINTS = (32, 48, 64, 96, 128, 192, 256)
IVF_POINTS = (4, 8, 16, 32, 64, 128, 256)


class Engine:
    """A built index. `search` must be called by one thread at a time.

    Args:
        parameters: from a point of the sweep to Faiss's search parameters.
    """

    def __init__(self, index: Any, parameters: Callable[[int], Any]) -> None:
        self._index = index
        self._parameters = parameters

    def search(self, queries: NDArray[np.float32], k: int, point: int) -> Found:
        """Row numbers of the `k` best, int64 [m, k]; -1 where there are fewer."""
        found: Found = self._index.search(queries, k, params=self._parameters(point))[1]
        return found

    def size_bytes(self) -> int:
        """What it takes when it is written, which is what it takes in memory, up to some headers."""
        return written_bytes(self._index)


@dataclass(frozen=True, slots=True)
class FaissKind:
    """One kind with one set of parameters.

    Args:
        name: unique, as in the tables.
        points: values of its knob, cheapest first; `knob` names it.
        build: from float16 [n, dim] to a built index; uses as many threads as Faiss may.
    """

    name: str
    knob: str
    points: tuple[int, ...]
    build: Callable[[NDArray[np.float16]], Engine]


def flat_fp16() -> FaissKind:
    """Every row, no graph: the yardstick."""

    def build(vectors: NDArray[np.float16]) -> Engine:
        return Engine(_filled(_fp16(vectors.shape[1]), vectors), lambda _: None)

    return FaissKind("flat_fp16", "", (0,), build)


def hnsw(storage: str, m: int, ef_construction: int) -> FaissKind:
    """A graph over the joint vectors, stored as "fp32", "fp16" or "sq8" (8 bits a dimension, then re-ranked)."""

    def build(vectors: NDArray[np.float16]) -> Engine:
        dim = vectors.shape[1]
        if storage == "fp32":
            graph = faiss.IndexHNSWFlat(dim, m, _IP)
        else:
            bits = faiss.ScalarQuantizer.QT_fp16 if storage == "fp16" else faiss.ScalarQuantizer.QT_8bit
            graph = faiss.IndexHNSWSQ(dim, bits, m, _IP)
        graph.hnsw.efConstruction = ef_construction
        _filled(graph, vectors)
        if storage == "sq8":
            return Engine(_refined(graph, vectors), lambda ef: _refine(3, faiss.SearchParametersHNSW(efSearch=ef)))
        return Engine(graph, lambda ef: faiss.SearchParametersHNSW(efSearch=ef))

    return FaissKind(f"hnsw_{storage}_m{m}", "efSearch", HNSW_POINTS, build)


def ivf_sq8() -> FaissKind:
    """Inverted lists of 8 bits a dimension, re-ranked."""

    def build(vectors: NDArray[np.float16]) -> Engine:
        dim, n_lists = vectors.shape[1], n_lists_for(len(vectors))
        lists = faiss.IndexIVFScalarQuantizer(_coarse(dim), dim, n_lists, faiss.ScalarQuantizer.QT_8bit, _IP)
        return Engine(
            _refined(_filled(_seeded(lists), vectors), vectors),
            lambda nprobe: _refine(3, faiss.SearchParametersIVF(nprobe=nprobe)),
        )

    return FaissKind("ivf_sq8", "nprobe", IVF_POINTS, build)


def ivf_pq(bytes_a_vector: int = 96) -> FaissKind:
    """Inverted lists of product-quantised residuals, re-ranked from many candidates."""

    def build(vectors: NDArray[np.float16]) -> Engine:
        dim, n_lists = vectors.shape[1], n_lists_for(len(vectors))
        lists = faiss.IndexIVFPQ(_coarse(dim), dim, n_lists, bytes_a_vector, 8, _IP)
        lists.pq.cp.seed = _SEED
        return Engine(
            _refined(_filled(_seeded(lists), vectors), vectors),
            lambda nprobe: _refine(20, faiss.SearchParametersIVF(nprobe=nprobe)),
        )

    return FaissKind(f"ivf_pq{bytes_a_vector}", "nprobe", IVF_POINTS, build)


def n_lists_for(n_rows: int) -> int:
    """Power of two next above 2 sqrt(n): within Faiss's guideline of sqrt(n) to 16 sqrt(n), at 39 training rows a list."""
    wanted = 2 * n_rows**0.5
    return max(1, min(1 << int(np.ceil(np.log2(wanted))), n_rows // 39))


def written_bytes(index: Any) -> int:
    """Size of the written index, counted without keeping it."""
    total = 0

    def count(data: bytes) -> int:
        nonlocal total
        total += len(data)
        return len(data)

    faiss.write_index(index, faiss.BufferedIOWriter(faiss.PyCallbackIOWriter(count)))
    return total


def _filled(index: Any, vectors: NDArray[np.float16]) -> Any:
    if not index.is_trained:
        sample = np.random.default_rng(_SEED).permutation(len(vectors))[:_TRAIN_ROWS]
        index.train(np.ascontiguousarray(vectors[np.sort(sample)], dtype=np.float32))
    for first in range(0, len(vectors), _ADD_ROWS):
        index.add(np.ascontiguousarray(vectors[first : first + _ADD_ROWS], dtype=np.float32))
    return index


def _fp16(dim: int) -> Any:
    return faiss.IndexScalarQuantizer(dim, faiss.ScalarQuantizer.QT_fp16, _IP)


def _coarse(dim: int) -> Any:
    quantizer = faiss.IndexFlatIP(dim)
    quantizer.this.disown()  # the lists own it
    return quantizer


def _seeded(lists: Any) -> Any:
    lists.own_fields = True
    lists.cp.seed = _SEED
    return lists


def _refined(base: Any, vectors: NDArray[np.float16]) -> Any:
    exact = _fp16(vectors.shape[1])
    exact.add_sa_codes(np.ascontiguousarray(vectors).view(np.uint8))
    return faiss.IndexRefine(base, exact)


def _refine(factor: int, base: Any) -> Any:
    return faiss.IndexRefineSearchParameters(k_factor=factor, base_index_params=base)
