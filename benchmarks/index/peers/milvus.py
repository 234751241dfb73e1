"""Milvus Lite: one file, through the same client as Milvus."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pymilvus import DataType, MilvusClient

from benchmarks.index.data_set import DataSet
from benchmarks.index.peers.engine import EF_CONSTRUCTION, EF_POINTS, M, padded

_NAME = "items"
_FILE = "items.db"
_BATCH = 2_000


class Peer:
    """Milvus Lite."""

    title = "Milvus Lite"
    knob = "ef"
    built_with = f"HNSW, M {M}, efConstruction {EF_CONSTRUCTION}"
    points = EF_POINTS

    def __init__(self, data: DataSet) -> None:
        self._data = data

    def build(self, directory: Path) -> None:
        """Insert every row into an indexed collection."""
        directory.mkdir(parents=True, exist_ok=True)
        client = MilvusClient(str(directory / _FILE))
        schema = MilvusClient.create_schema(auto_id=False)
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=self._data.spec.dim)
        index = client.prepare_index_params()
        built_with = {"M": M, "efConstruction": EF_CONSTRUCTION}
        index.add_index("vector", index_type="HNSW", metric_type="IP", params=built_with)
        client.create_collection(_NAME, schema=schema, index_params=index)
        for first in range(0, self._data.n, _BATCH):
            rows = np.asarray(self._data.vectors[first : first + _BATCH], dtype=np.float32)
            client.insert(_NAME, [{"id": first + i, "vector": row} for i, row in enumerate(rows)])
        client.flush(_NAME)
        client.load_collection(_NAME)
        client.close()

    def open(self, directory: Path) -> None:
        """Load the collection."""
        self._client = MilvusClient(str(directory / _FILE))
        self._client.load_collection(_NAME)

    def use(self, point: int) -> None:
        """Set the breadth of searches."""
        self._ef = point

    def search(self, queries: NDArray[np.float32], k: int) -> NDArray[np.int64]:
        """A batch in one call."""
        wanted = {"metric_type": "IP", "params": {"ef": self._ef}}
        found = self._client.search(
            _NAME, data=list(queries), limit=k, search_params=wanted, anns_field="vector", output_fields=[]
        )
        return padded([[hit["id"] for hit in hits] for hits in found], k)

    def close(self) -> None:
        """Stop its server."""
        self._client.close()
