"""usearch: a graph in process over half-precision vectors, without filters or payloads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from usearch.index import Index

from benchmarks.index.data_set import DataSet
from benchmarks.index.peers.engine import EF_CONSTRUCTION, EF_POINTS, M

_FILE = "graph.usearch"
_BATCH = 20_000


class Peer:
    """usearch."""

    title = "usearch (library)"
    knob = "expansion_search"
    built_with = f"float16, connectivity {M}, expansion_add {EF_CONSTRUCTION}"
    points = EF_POINTS

    def __init__(self, data: DataSet) -> None:
        self._data = data

    def build(self, directory: Path) -> None:
        """Add every row."""
        graph = _graph(self._data.spec.dim)
        for first in range(0, self._data.n, _BATCH):
            rows = np.asarray(self._data.vectors[first : first + _BATCH])
            graph.add(np.arange(first, first + len(rows)), rows, threads=2)
        directory.mkdir(parents=True, exist_ok=True)
        graph.save(str(directory / _FILE))

    def open(self, directory: Path) -> None:
        """Read the graph into memory."""
        self._graph = _graph(self._data.spec.dim)
        self._graph.load(str(directory / _FILE))

    def use(self, point: int) -> None:
        """Set the breadth of searches."""
        self._graph.expansion_search = point

    def search(self, queries: NDArray[np.float32], k: int) -> NDArray[np.int64]:
        """A batch in one call."""
        keys = np.asarray(self._graph.search(queries, k, threads=1).keys).astype(np.int64)
        return keys.reshape(len(queries), -1)

    def close(self) -> None:
        """Nothing runs."""


def _graph(dim: int) -> Index:
    return Index(ndim=dim, metric="ip", dtype="f16", connectivity=M, expansion_add=EF_CONSTRUCTION)
