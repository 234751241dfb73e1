"""The core of one shard with one sealed segment: hits with payloads, where others give row numbers."""

from __future__ import annotations

from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray

from benchmarks.index.data_set import DataSet
from benchmarks.index.filled_shard import FilledShard, fill, spec_of
from benchmarks.index.peers.engine import EF_CONSTRUCTION, EF_POINTS, M
from index_service.kinds.parameters import IndexParameters
from index_service.sealed import open_segment
from index_service.shard import Shard

_PARAMETERS = IndexParameters(kind="hnsw_fp16", m=M, ef_construction=EF_CONSTRUCTION, ef_growth=0.0)


class Peer:
    """Trireme."""

    title = "Trireme, core of a shard"
    knob = "ef_search"
    built_with = f"hnsw_fp16, m {M}, ef_construction {EF_CONSTRUCTION}"
    points = EF_POINTS

    def __init__(self, data: DataSet) -> None:
        self._data = data

    def build(self, directory: Path) -> None:
        """Put and seal every document."""
        faiss.omp_set_num_threads(2)
        fill(self._data, directory, _PARAMETERS)

    def open(self, directory: Path) -> None:
        """Open the one segment."""
        faiss.omp_set_num_threads(1)
        [segment] = directory.glob("seg-*")
        shard = Shard(spec_of(self._data), _PARAMETERS)
        shard.adopt(open_segment(segment, shard.spec, _PARAMETERS))
        self._whole = FilledShard(shard, directory, 0.0, 0.0)

    def use(self, point: int) -> None:
        """Set the breadth of searches."""
        self._shard = self._whole.with_parameters(ef_search=point)

    def search(self, queries: NDArray[np.float32], k: int) -> NDArray[np.int64]:
        """A batch through `Shard.search`."""
        return self._shard.find(queries, k)

    def close(self) -> None:
        """Nothing runs."""
