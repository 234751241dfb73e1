"""Vectors of a shard, searched by inner product. Part of a segment's interface: slots in, slots and scores out.

A segment knows dense slot numbers only: no documents, no filters, no live bits. Which slots may be found is
told per search. Other kinds of segment (graphs, GPU) offer the same four methods.
"""

from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float32]
SlotNumbers = NDArray[np.int64]
Selected = NDArray[np.bool_]

_BLOCK_ROWS = 8192


def use_faiss_threads(n: int) -> None:
    """Let Faiss use `n` threads for searches of the calling thread.

    Several shards share a machine, and OpenMP's threads spin while they wait: one each is best for all.
    """
    faiss.omp_set_num_threads(n)


class FlatSegment:
    """Exact search over float16 vectors. Grows in blocks, so that no append ever copies what is there.

    Faiss decodes float16 inside its scan (IndexScalarQuantizer QT_fp16), which is faster here than numpy or
    IndexFlatIP, and half as large. Its scores are float32 sums; `index_service.ranking` makes them exact.

    Args:
        dim: width of a vector.
        block_rows: rows per Faiss index.
    """

    kind = "flat"

    def __init__(self, dim: int, *, block_rows: int = _BLOCK_ROWS) -> None:
        self.dim = dim
        self.n_rows = 0
        self.longest = 1.0
        self._block_rows = block_rows
        self._blocks: list[Any] = []

    def append(self, vectors: NDArray[np.float16]) -> None:
        """Add rows behind the last slot. Shape [n, dim]."""
        if len(vectors):
            self.longest = max(self.longest, float(np.linalg.norm(vectors.astype(np.float32), axis=1).max()))
        start = 0
        while start < len(vectors):
            used = self.n_rows % self._block_rows
            if used == 0:
                self._blocks.append(
                    faiss.IndexScalarQuantizer(self.dim, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
                )
            part = np.ascontiguousarray(vectors[start : start + self._block_rows - used])
            self._blocks[-1].add_sa_codes(part.view(np.uint8))
            self.n_rows += len(part)
            start += len(part)

    def search(self, queries: Scores, k: int, selected: Selected) -> tuple[Scores, SlotNumbers]:
        """The `k` best selected slots of each query, best first.

        Args:
            queries: float32 [m, dim].
            selected: bool [n_rows], which slots may be found; at least `k` of them are True.

        Returns:
            Scores [m, k] (higher is better, accurate to about 1e-6 of the lengths) and slots [m, k].
        """
        found_scores, found_slots = [], []
        for block, first, parameters in self._selected_blocks(selected):
            scores, slots = block.search(queries, min(k, block.ntotal), params=parameters)
            # Faiss fills up with slot -1 where a block has fewer selected rows.
            found_scores.append(np.where(slots >= 0, scores, -np.inf))
            found_slots.append(np.where(slots >= 0, slots + first, -1))
        scores, slots = np.hstack(found_scores), np.hstack(found_slots)
        best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        return np.take_along_axis(scores, best, axis=1), np.take_along_axis(slots, best, axis=1)

    def above(self, query: Scores, floor: float, selected: Selected) -> tuple[Scores, SlotNumbers]:
        """All selected slots that score more than `floor`, in no order. `query` has shape [dim]."""
        found_scores, found_slots = [], []
        for block, first, parameters in self._selected_blocks(selected):
            _, scores, slots = block.range_search(query[None, :], floor, params=parameters)
            found_scores.append(scores)
            found_slots.append(slots + first)
        return np.concatenate(found_scores), np.concatenate(found_slots)

    def rows(self, slots: SlotNumbers) -> NDArray[np.float16]:
        """Copies of the stored vectors, float16 [len(slots), dim]."""
        out = np.empty((len(slots), self.dim), dtype=np.float16)
        numbers = slots // self._block_rows
        for number in np.unique(numbers):
            here = numbers == number
            out[here] = self._stored(self._blocks[number])[slots[here] - number * self._block_rows]
        return out

    def _stored(self, block: Any) -> NDArray[np.float16]:
        """A view into Faiss's own memory, valid until the next append."""
        codes = faiss.rev_swig_ptr(block.codes.data(), block.ntotal * self.dim * 2)
        stored: NDArray[np.float16] = codes.view(np.float16).reshape(block.ntotal, self.dim)
        return stored

    def _selected_blocks(self, selected: Selected) -> list[tuple[Any, int, Any]]:
        """Blocks with anything to find, the first slot of each, and Faiss's search parameters."""
        chosen: list[tuple[Any, int, Any]] = []
        for number, block in enumerate(self._blocks):
            first = number * self._block_rows
            part = selected[first : first + block.ntotal]
            if part.all():
                chosen.append((block, first, None))
            elif part.any():
                # Faiss's type stubs lag behind the constructors that its Python layer adds.
                selector = faiss.IDSelectorBitmap(np.packbits(part, bitorder="little"))  # type: ignore[call-arg,arg-type]
                chosen.append((block, first, faiss.SearchParameters(sel=selector)))  # type: ignore[call-arg]
        return chosen
