"""LanceDB, embedded: HNSW over one-byte codes in one partition, candidates ranked again on stored vectors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lancedb
import numpy as np
import pyarrow as pa
from lancedb.index import HnswSq
from numpy.typing import NDArray

from benchmarks.index.data_set import DataSet
from benchmarks.index.peers.engine import EF_CONSTRUCTION, EF_POINTS, M, padded

_NAME = "items"
_BATCH = 20_000
_REFINE = 3


class Peer:
    """LanceDB with a graph."""

    title = "LanceDB IVF_HNSW_SQ"
    knob = "ef"
    built_with = f"1 partition, m {M}, ef_construction {EF_CONSTRUCTION}, refine_factor {_REFINE}"
    points = EF_POINTS

    def __init__(self, data: DataSet) -> None:
        self._data = data

    def build(self, directory: Path) -> None:
        """Write the table and index it."""
        made = write_table(self._data, directory)
        config = HnswSq(distance_type="dot", num_partitions=1, m=M, ef_construction=EF_CONSTRUCTION)
        made.create_index("vector", config=config)

    def open(self, directory: Path) -> None:
        """Open the table."""
        self._table = open_table(directory)

    def use(self, point: int) -> None:
        """Set the breadth of searches."""
        self._ef = point

    def search(self, queries: NDArray[np.float32], k: int) -> NDArray[np.int64]:
        """A batch in one call; Lance takes lists of queries."""
        search = asked_of(self._table, queries).ef(max(self._ef, _REFINE * k)).nprobes(1).refine_factor(_REFINE)
        return row_numbers(search.limit(k), len(queries), k)

    def close(self) -> None:
        """Nothing runs."""


def write_table(data: DataSet, directory: Path) -> Any:
    """A table of row numbers and float32 vectors."""

    def batches() -> Any:
        for first in range(0, data.n, _BATCH):
            rows = np.asarray(data.vectors[first : first + _BATCH], dtype=np.float32)
            vectors = pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1)), rows.shape[1])
            ids = pa.array(np.arange(first, first + len(rows), dtype=np.int64))
            yield pa.RecordBatch.from_arrays([ids, vectors], names=["id", "vector"])

    vector = pa.list_(pa.float32(), data.spec.dim)
    schema = pa.schema([pa.field("id", pa.int64()), pa.field("vector", vector)])
    return lancedb.connect(str(directory)).create_table(_NAME, batches(), schema=schema, mode="overwrite")


def open_table(directory: Path) -> Any:
    """The table that `write_table` wrote."""
    return lancedb.connect(str(directory)).open_table(_NAME)


def asked_of(table: Any, queries: NDArray[np.float32]) -> Any:
    """A search by inner product for one query or several."""
    asked = queries[0] if len(queries) == 1 else list(queries)
    return table.search(asked, vector_column_name="vector").distance_type("dot").select(["id", "_distance"])


def row_numbers(search: Any, n_queries: int, k: int) -> NDArray[np.int64]:
    """Run a search for one query or several and sort its rows by query."""
    found = search.to_arrow()
    ids = found["id"].to_numpy()
    if n_queries == 1:
        return padded([ids.tolist()], k)
    of_query = found["query_index"].to_numpy()
    return padded([ids[of_query == i].tolist() for i in range(n_queries)], k)
