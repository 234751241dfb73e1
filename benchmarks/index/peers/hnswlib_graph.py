"""hnswlib: a graph in process, without storage, filters or payloads."""

from __future__ import annotations

from pathlib import Path

import hnswlib
import numpy as np
from numpy.typing import NDArray

from benchmarks.index.data_set import DataSet
from benchmarks.index.peers.engine import EF_CONSTRUCTION, EF_POINTS, M

_FILE = "graph.bin"
_BATCH = 20_000


class Peer:
    """hnswlib."""

    title = "hnswlib (library)"
    knob = "ef"
    built_with = f"float32, M {M}, ef_construction {EF_CONSTRUCTION}"
    points = EF_POINTS

    def __init__(self, data: DataSet) -> None:
        self._data = data

    def build(self, directory: Path) -> None:
        """Add every row."""
        graph = hnswlib.Index("ip", self._data.spec.dim)
        graph.init_index(self._data.n, M=M, ef_construction=EF_CONSTRUCTION, random_seed=1)
        for first in range(0, self._data.n, _BATCH):
            graph.add_items(
                np.asarray(self._data.vectors[first : first + _BATCH], dtype=np.float32), num_threads=2
            )
        directory.mkdir(parents=True, exist_ok=True)
        graph.save_index(str(directory / _FILE))

    def open(self, directory: Path) -> None:
        """Read the graph."""
        self._graph = hnswlib.Index("ip", self._data.spec.dim)
        self._graph.load_index(str(directory / _FILE))
        self._graph.set_num_threads(1)

    def use(self, point: int) -> None:
        """Set the breadth of searches."""
        self._graph.set_ef(point)

    def search(self, queries: NDArray[np.float32], k: int) -> NDArray[np.int64]:
        """A batch in one call."""
        found: NDArray[np.int64] = self._graph.knn_query(queries, k, num_threads=1)[0].astype(np.int64)
        return found

    def close(self) -> None:
        """Nothing runs."""
