"""LanceDB, embedded, with its default index: IVF over product-quantised codes, ranked again on stored vectors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from lancedb.index import IvfPq
from numpy.typing import NDArray

from benchmarks.index.data_set import DataSet
from benchmarks.index.peers.lance_hnsw import asked_of, open_table, row_numbers, write_table

_SUB_VECTORS = 96
_REFINE = 30


class Peer:
    """LanceDB with product-quantised lists."""

    title = "LanceDB IVF_PQ"
    knob = "nprobes"
    built_with = f"sqrt(n) lists, {_SUB_VECTORS} bytes, refine_factor {_REFINE}"
    points = (8, 16, 32, 64, 128, 256)

    def __init__(self, data: DataSet) -> None:
        self._data = data

    def build(self, directory: Path) -> None:
        """Write the table and index it."""
        config = IvfPq(distance_type="dot", num_partitions=int(self._data.n**0.5), num_sub_vectors=_SUB_VECTORS)
        write_table(self._data, directory).create_index("vector", config=config)

    def open(self, directory: Path) -> None:
        """Open the table."""
        self._table = open_table(directory)

    def use(self, point: int) -> None:
        """Set the number of lists that a search looks into."""
        self._nprobes = point

    def search(self, queries: NDArray[np.float32], k: int) -> NDArray[np.int64]:
        """A batch in one call."""
        search = asked_of(self._table, queries).nprobes(self._nprobes).refine_factor(_REFINE)
        return row_numbers(search.limit(k), len(queries), k)

    def close(self) -> None:
        """Nothing runs."""
