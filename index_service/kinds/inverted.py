"""IVF indexes: less memory than a graph; worse recall at other weights than those the lists were made for."""

from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from index_service.bitmap import SlotNumbers
from index_service.kinds.graph import chunks
from index_service.kinds.parameters import IndexParameters, Kind
from index_service.vectors import Scores, selector

_FILE = "ivf.faiss"


class Inverted:
    """An IVF index over the slots 0..n, on codes of its own. Any thread may search.

    Args:
        nprobe: lists that a search at effort 1 looks into.
    """

    def __init__(self, index: Any, nprobe: int) -> None:
        self._index = index
        self._nprobe = nprobe

    @property
    def n_rows(self) -> int:
        """Slots in the lists."""
        return int(self._index.ntotal)

    @property
    def memory_bytes(self) -> int:
        """Memory of codes, ids and centroids."""
        per_row = int(self._index.code_size) + 8
        return self.n_rows * per_row + 4 * int(self._index.nlist) * int(self._index.d)

    def search(
        self, queries: Scores, k: int, effort: float, packed: NDArray[np.uint8] | None
    ) -> tuple[Scores, SlotNumbers]:
        """The `k` best slots of the lists looked into, best first; -1 where there were fewer.

        Args:
            effort: multiplies the number of lists.
            packed: bits of the slots that may be returned.
        """
        # Never `index.nprobe = ...`: another thread may be searching.
        parameters = faiss.SearchParametersIVF(  # type: ignore[call-arg]
            nprobe=min(int(self._index.nlist), max(1, int(self._nprobe * effort))),
            **({} if packed is None else {"sel": selector(packed)}),
        )
        scores, slots = self._index.search(queries, min(k, self.n_rows), params=parameters)
        return scores, slots

    def write(self, directory: Path) -> list[str]:
        """Write its file, and return its name."""
        faiss.write_index(self._index, str(directory / _FILE))
        return [_FILE]


def build_inverted(vectors: NDArray[np.float16], parameters: IndexParameters, trained: Any) -> Inverted:
    """An IVF index of all rows of `vectors`, float16 [n, dim], with a trained and empty one's lists and codes."""
    index = faiss.clone_index(trained)
    for chunk in chunks(vectors):
        index.add(chunk)
    return Inverted(index, parameters.nprobe)


def read_inverted(directory: Path, parameters: IndexParameters) -> Inverted:
    """What `Inverted.write` wrote."""
    return Inverted(faiss.read_index(str(directory / _FILE)), parameters.nprobe)


def train_inverted(sample: NDArray[np.float32], kind: Kind, parameters: IndexParameters) -> Any:
    """An empty IVF index with lists and codes trained on the sample, float32 [n, dim].

    A list for every 39 vectors at most: Faiss's own lower bound for k-means.
    """
    dim = sample.shape[1]
    n_lists = max(1, min(parameters.n_lists, len(sample) // 39))
    codes = "SQ8" if kind == "ivf_sq8" else f"PQ{parameters.pq_bytes}"
    index = faiss.index_factory(dim, f"IVF{n_lists},{codes}", faiss.METRIC_INNER_PRODUCT)
    index.train(sample)
    return index
