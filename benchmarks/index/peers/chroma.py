"""Chroma, embedded, in a persistent directory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import chromadb
import numpy as np
from chromadb.api.shared_system_client import SharedSystemClient
from numpy.typing import NDArray

from benchmarks.index.data_set import DataSet
from benchmarks.index.peers.engine import EF_CONSTRUCTION, EF_POINTS, M, padded

_NAME = "items"
_BATCH = 5_000


class Peer:
    """Chroma."""

    title = "Chroma"
    knob = "ef_search"
    built_with = f"HNSW, max_neighbors {M}, ef_construction {EF_CONSTRUCTION}"
    points = EF_POINTS

    def __init__(self, data: DataSet) -> None:
        self._data = data

    def build(self, directory: Path) -> None:
        """Add every row with its number as its id."""
        hnsw = {"space": "ip", "ef_construction": EF_CONSTRUCTION, "max_neighbors": M, "num_threads": 2}
        items = _client(directory).create_collection(
            _NAME, embedding_function=None, configuration={"hnsw": {**hnsw, "sync_threshold": 2 * _BATCH}}
        )
        for first in range(0, self._data.n, _BATCH):
            rows = np.asarray(self._data.vectors[first : first + _BATCH], dtype=np.float32)
            items.add(ids=[str(first + i) for i in range(len(rows))], embeddings=rows)

    def open(self, directory: Path) -> None:
        """Open the collection."""
        self._directory = directory
        self._items = _client(directory).get_collection(_NAME, embedding_function=None)

    def use(self, point: int) -> None:
        """Set the breadth of searches. A loaded index keeps the one it was loaded with: load it anew."""
        self._items.modify(configuration={"hnsw": {"ef_search": point, "num_threads": 1}})
        SharedSystemClient.clear_system_cache()
        self.open(self._directory)

    def search(self, queries: NDArray[np.float32], k: int) -> NDArray[np.int64]:
        """A batch in one call."""
        found = self._items.query(query_embeddings=queries, n_results=k, include=[])
        return padded([[int(each) for each in ids] for ids in found["ids"]], k)

    def close(self) -> None:
        """Nothing runs."""


def _client(directory: Path) -> Any:
    return chromadb.PersistentClient(str(directory), settings=chromadb.Settings(anonymized_telemetry=False))
