"""Indexes that need training, trained once per generation: all shards and replicas of it start from the same one.

The object store holds it. Whoever needs it first trains it; of two who do so at once, the later puts the same
kind in place of the earlier, and each segment holds all that it was built with.
"""

import asyncio
import threading
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from contracts.errors import NotFound
from contracts.keys import trained_index_key
from index_service.kinds.parameters import IndexParameters, Kind
from index_service.kinds.searcher import train
from index_service.spec import ShardSpec
from runtime.object_store import ObjectStore
from runtime.telemetry import get_logger

_LOG = get_logger(__name__)


class TrainedIndexes:
    """Trained, empty indexes by kind. Any thread may ask.

    Args:
        spec: of any shard of the generation.
    """

    def __init__(self, store: ObjectStore, spec: ShardSpec, parameters: IndexParameters) -> None:
        self._store = store
        self._spec = spec
        self._parameters = parameters
        self._lock = threading.Lock()
        self._known: dict[Kind, Any] = {}

    def get(self, kind: Kind, vectors: NDArray[np.float16]) -> Any:
        """The trained index of a kind; None while there is none and `vectors`, [n, dim], are too few to train on.

        Raises:
            DependencyDown: the object store does not answer.
        """
        with self._lock:
            if kind not in self._known:
                found = asyncio.run(self._find(kind, vectors))
                if found is None:
                    return None
                self._known[kind] = found
            return self._known[kind]

    async def _find(self, kind: Kind, vectors: NDArray[np.float16]) -> Any:
        key = trained_index_key(self._spec.generation, self._spec.space_id, kind)
        try:
            data = await self._store.get(key)
        except NotFound:
            if len(vectors) < self._parameters.train_rows:
                return None
            rows = np.random.default_rng(0).choice(len(vectors), self._parameters.train_rows, replace=False)
            index = train(kind, vectors[np.sort(rows)].astype(np.float32), self._parameters)
            await self._store.put(key, faiss.serialize_index(index).tobytes())
            _LOG.info("index_trained", kind=kind, rows=len(rows))
            return index
        return faiss.deserialize_index(np.frombuffer(data, dtype=np.uint8))
