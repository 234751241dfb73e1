"""What every engine offers to the measurement, and which engines there are."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from benchmarks.index.data_set import DataSet

# Names of modules of this package that have a `Peer`. "trireme" is the core of one shard.
ENGINES = ("trireme", "lance_hnsw", "chroma", "postgres", "milvus", "hnswlib_graph", "usearch_graph", "lance_pq")
M = 32
EF_CONSTRUCTION = 100
EF_POINTS = (16, 32, 48, 64, 96, 128, 192, 256, 384, 512)


class Engine(Protocol):
    """One engine for one data set. `build` and everything else happen in different processes.

    `points` are values of its `knob`, cheapest first; `built_with` tells its other parameters.
    """

    title: str
    knob: str
    built_with: str
    points: tuple[int, ...]

    def build(self, directory: Path) -> None:
        """Take in all rows and leave an index in `directory`."""
        ...

    def open(self, directory: Path) -> None:
        """Get ready to search what `build` left."""
        ...

    def use(self, point: int) -> None:
        """Search by this value of the knob from now on."""
        ...

    def search(self, queries: NDArray[np.float32], k: int) -> NDArray[np.int64]:
        """Row numbers of the `k` best by inner product, int64 [m, k]; -1 where there are fewer."""
        ...

    def close(self) -> None:
        """End what runs."""
        ...


def engine(name: str, data: DataSet) -> Engine:
    """An engine by name, with its packages imported."""
    if name not in ENGINES:
        raise ValueError(f"no engine is called {name}; there are {', '.join(ENGINES)}")
    made: Engine = importlib.import_module(f"benchmarks.index.peers.{name}").Peer(data)
    return made


def padded(rows: list[list[int]], k: int) -> NDArray[np.int64]:
    """Lists of row numbers as int64 [m, k], -1 where one is shorter."""
    out = np.full((len(rows), k), -1, dtype=np.int64)
    for i, row in enumerate(rows):
        out[i, : len(row)] = row[:k]
    return out
