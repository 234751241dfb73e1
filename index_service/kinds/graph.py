"""HNSW graphs over joint vectors: on the stored float16 rows themselves, or on trained one-byte codes."""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from index_service.bitmap import SlotNumbers
from index_service.kinds.parameters import LEAST_BREADTH, IndexParameters, breadth_for
from index_service.vectors import Scores, add_rows, flat_index, selector, stored_rows

_CHUNK_ROWS = 1024
# Its type stubs know neither all classes nor the arguments that its Python layer adds.
_FAISS: Any = faiss
_GRAPH = "graph.faiss"
_CODES = "codes.faiss"


@lru_cache(maxsize=64)
def _breadth(ef_search: int) -> Any:
    """Parameters without a selector, which searches only read: making them costs a tenth of a small search."""
    return _FAISS.SearchParametersHNSW(efSearch=ef_search)


class Graph:
    """A graph index over the slots 0..n. Any thread may search; nothing is added once it is in use.

    Args:
        index: a Faiss HNSW index; `storage` is what it compares with, and is kept alive with it.
        parameters: how broadly it is searched.
        codes: whether it compares with trained codes instead of the vectors themselves.
    """

    def __init__(self, index: Any, storage: Any, parameters: IndexParameters, *, codes: bool = False) -> None:
        self._index = index
        self._storage = storage
        self._parameters = parameters
        self._breadth = breadth_for(int(index.ntotal), parameters)
        self.codes = codes

    @property
    def n_rows(self) -> int:
        """Slots in the graph."""
        return int(self._index.ntotal)

    @property
    def dim(self) -> int:
        """Width of a vector."""
        return int(self._index.d)

    @property
    def can_grow(self) -> bool:
        """Whether rows can be added: not to a graph that came from a device, which has its lowest level alone."""
        return not getattr(self._index, "base_level_only", False)

    @property
    def memory_bytes(self) -> int:
        """Memory of the links, and of codes where there are some; vectors are the segment's."""
        hnsw = self._index.hnsw
        links = int(4 * hnsw.neighbors.size() + 8 * hnsw.offsets.size() + 4 * hnsw.levels.size())
        return links + (self.n_rows * self.dim if self.codes else 0)

    def search(
        self, queries: Scores, k: int, effort: float, packed: NDArray[np.uint8] | None
    ) -> tuple[Scores, SlotNumbers]:
        """The `k` best slots that were met, best first; -1 where fewer were.

        Args:
            effort: multiplies the breadth of the search.
            packed: bits of the slots that may be returned; all others are still walked over.
        """
        ef_search = max(k, LEAST_BREADTH, int(self._breadth * effort))
        if packed is None:
            parameters = _breadth(ef_search)
        else:
            parameters = _FAISS.SearchParametersHNSW(efSearch=ef_search, sel=selector(packed))
        scores, slots = self._index.search(queries, min(k, self.n_rows), params=parameters)
        return scores, slots

    def extended(self, vectors: NDArray[np.float16]) -> "Graph":
        """A copy with more rows behind its last slot."""
        copy: Any = faiss.clone_index(self._index)
        mapped = None if self.codes else self._storage
        if mapped is not None:
            # A clone of rows that are mapped from a file cannot grow.
            rows = flat_index(self.dim)
            add_rows(rows, stored_rows(mapped))
            _replace_storage(copy, rows)
        _add(copy, vectors)
        return Graph(copy, None, self._parameters, codes=self.codes)

    def over(self, rows: Any) -> Any:
        """The Faiss index itself, comparing with another index's rows from now on; keep those alive with it."""
        self._storage = self._index.storage = rows
        return self._index

    def write(self, directory: Path) -> list[str]:
        """Write its files without the vectors, which the segment has, and return their names."""
        _FAISS.write_index(self._index, str(directory / _GRAPH), faiss.IO_FLAG_SKIP_STORAGE)
        if not self.codes:
            return [_GRAPH]
        faiss.write_index(self._index.storage, str(directory / _CODES))
        return [_GRAPH, _CODES]

    def write_whole(self, path: Path) -> None:
        """Write one file with the vectors inside."""
        faiss.write_index(self._index, str(path))


def new_graph(dim: int, parameters: IndexParameters, storage: Any = None) -> Any:
    """An empty HNSW index of Faiss. `storage` is a trained, empty scalar quantiser, or None for float16."""
    index = _FAISS.IndexHNSWSQ(dim, faiss.ScalarQuantizer.QT_fp16, parameters.m, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = parameters.ef_construction
    if storage is not None:
        _replace_storage(index, faiss.clone_index(storage))
    return index


def build_graph(
    vectors: NDArray[np.float16], parameters: IndexParameters, *, trained: Any = None, base: Graph | None = None
) -> Graph:
    """A graph over all rows of `vectors`, float16 [n, dim].

    Args:
        trained: a trained, empty scalar quantiser for the codes; None compares float16.
        base: a graph over the first rows, to go on from where it compares alike; it is not changed.
    """
    if base is not None and base.can_grow and base.codes == (trained is not None):
        return base.extended(vectors[base.n_rows :])
    index = new_graph(vectors.shape[1], parameters, trained)
    _add(index, vectors)
    return Graph(index, None, parameters, codes=trained is not None)


def read_graph(directory: Path, parameters: IndexParameters, vectors: Any, *, codes: bool) -> Graph:
    """What `Graph.write` wrote.

    Args:
        vectors: the segment's own flat index, which a graph without codes compares with.
    """
    index: Any = faiss.read_index(str(directory / _GRAPH))
    storage = faiss.read_index(str(directory / _CODES)) if codes else vectors
    index.storage = storage
    index.own_fields = False
    return Graph(index, storage, parameters, codes=codes)


def train_codes(sample: NDArray[np.float32]) -> Any:
    """A scalar quantiser of one byte a component, with the sample's ranges, empty."""
    index = faiss.IndexScalarQuantizer(sample.shape[1], faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT)
    index.train(sample)
    return index


def chunks(vectors: NDArray[np.float16]) -> Iterator[NDArray[np.float32]]:
    """The rows as float32, some at a time."""
    for start in range(0, len(vectors), _CHUNK_ROWS):
        yield np.ascontiguousarray(vectors[start : start + _CHUNK_ROWS], dtype=np.float32)


def _replace_storage(index: Any, storage: Any) -> None:
    """Let a graph that owns its storage own another one."""
    old = index.storage
    old.thisown = True  # frees it with its proxy
    index.storage = storage
    storage.thisown = False
    index.own_fields = True


def _add(index: Any, vectors: NDArray[np.float16]) -> None:
    for chunk in chunks(vectors):
        index.add(chunk)
