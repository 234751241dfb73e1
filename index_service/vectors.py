"""Exact search by inner product over float16 vectors: the part of every segment that needs no training.

Knows slot numbers only: no documents, no filters. Which slots may be found is told per search.
"""

from typing import Any, Protocol

import faiss
import numpy as np
from numpy.typing import NDArray

from index_service.bitmap import Bitmap, SlotNumbers

Scores = NDArray[np.float32]

_BLOCK_ROWS = 1024


def use_faiss_threads(n: int) -> None:
    """Let Faiss use `n` threads in the calling thread.

    Several shards share a machine, and OpenMP's threads spin while they wait: one each is best for all.
    """
    faiss.omp_set_num_threads(n)


class Scanner(Protocol):
    """Vectors that can be scanned exactly, and read."""

    longest: float

    def search(self, queries: Scores, k: int, selected: Bitmap) -> tuple[Scores, SlotNumbers]:
        """The `k` best selected slots of each query, best first: scores [m, k] and slots [m, k].

        At least `k` slots are selected. Scores are accurate to about 1e-6 of the lengths.
        """
        ...

    def above(self, query: Scores, floor: float, selected: Bitmap) -> tuple[Scores, SlotNumbers]:
        """All selected slots that score more than `floor`, in no order. `query` has shape [dim]."""
        ...

    def rows(self, slots: SlotNumbers) -> NDArray[np.float16]:
        """Copies of stored vectors, float16 [len(slots), dim]."""
        ...


def flat_index(dim: int) -> Any:
    """Faiss's scan over float16 codes: faster than IndexFlatIP here, and half as large."""
    return faiss.IndexScalarQuantizer(dim, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)


def add_rows(index: Any, vectors: NDArray[np.float16]) -> None:
    """Append float16 rows to a `flat_index` as they are."""
    index.add_sa_codes(np.ascontiguousarray(vectors).view(np.uint8))


def stored_rows(index: Any) -> NDArray[np.float16]:
    """A view into a `flat_index`'s own memory, float16 [n, dim]; valid until something is added."""
    codes = faiss.rev_swig_ptr(index.codes.data(), index.ntotal * index.d * 2)
    stored: NDArray[np.float16] = codes.view(np.float16).reshape(index.ntotal, index.d)
    return stored


def longest_row(vectors: NDArray[np.float16]) -> float:
    """Length of the longest vector, 1 at least."""
    longest = 1.0
    for start in range(0, len(vectors), _BLOCK_ROWS):
        lengths = np.linalg.norm(vectors[start : start + _BLOCK_ROWS].astype(np.float32), axis=1)
        longest = max(longest, float(lengths.max()))
    return longest


def selector(packed: NDArray[np.uint8]) -> Any:
    """Faiss's selector of packed bits; keep `packed` alive as long as it."""
    # Faiss's type stubs lag behind the constructors that its Python layer adds.
    return faiss.IDSelectorBitmap(packed)  # type: ignore[call-arg,arg-type]


def scan(index: Any, queries: Scores, k: int, packed: NDArray[np.uint8] | None) -> tuple[Scores, SlotNumbers]:
    """Exact search of one Faiss index; where too few are selected, slots are -1 and scores -inf."""
    parameters = None if packed is None else faiss.SearchParameters(sel=selector(packed))  # type: ignore[call-arg]
    scores, slots = index.search(queries, min(k, index.ntotal), params=parameters)
    return np.where(slots >= 0, scores, -np.inf).astype(np.float32), slots


def scan_above(index: Any, query: Scores, floor: float, packed: NDArray[np.uint8] | None) -> Any:
    """Scores and slots of one Faiss index that score more than `floor`."""
    parameters = None if packed is None else faiss.SearchParameters(sel=selector(packed))  # type: ignore[call-arg]
    _, scores, slots = index.range_search(query[None, :], floor, params=parameters)
    return scores, slots


class GrowingVectors:
    """Float16 vectors that are appended to, scanned exactly. Faiss holds them in blocks, so no append copies them.

    The rows are kept a second time as one array: reading some of them must not cost as much as a search.

    Args:
        dim: width of a vector.
        block_rows: rows per Faiss index, a multiple of 64.
    """

    def __init__(self, dim: int, *, block_rows: int = _BLOCK_ROWS) -> None:
        self.dim = dim
        self.n_rows = 0
        self.longest = 1.0
        self.block_rows = block_rows
        self._blocks: list[Any] = []
        self._rows = np.empty((block_rows, dim), dtype=np.float16)

    def append(self, vectors: NDArray[np.float16]) -> None:
        """Add rows behind the last slot. Shape [n, dim]."""
        self.longest = max(self.longest, longest_row(vectors))
        end = self.n_rows + len(vectors)
        if end > len(self._rows):
            room = np.empty((max(end, 2 * len(self._rows)), self.dim), dtype=np.float16)
            room[: self.n_rows] = self._rows[: self.n_rows]
            self._rows = room
        self._rows[self.n_rows : end] = vectors
        start = 0
        while start < len(vectors):
            used = self.n_rows % self.block_rows
            if used == 0:
                self._blocks.append(flat_index(self.dim))
            part = vectors[start : start + self.block_rows - used]
            add_rows(self._blocks[-1], part)
            self.n_rows += len(part)
            start += len(part)

    def search(self, queries: Scores, k: int, selected: Bitmap) -> tuple[Scores, SlotNumbers]:
        """As `Scanner.search`."""
        found_scores, found_slots = [], []
        for block, first, packed in self._selected_blocks(selected):
            scores, slots = scan(block, queries, k, packed)
            found_scores.append(scores)
            found_slots.append(np.where(slots >= 0, slots + first, -1))
        scores, slots = np.hstack(found_scores), np.hstack(found_slots)
        best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        return np.take_along_axis(scores, best, axis=1), np.take_along_axis(slots, best, axis=1)

    def above(self, query: Scores, floor: float, selected: Bitmap) -> tuple[Scores, SlotNumbers]:
        """As `Scanner.above`."""
        found_scores, found_slots = [], []
        for block, first, packed in self._selected_blocks(selected):
            scores, slots = scan_above(block, query, floor, packed)
            found_scores.append(scores)
            found_slots.append(slots + first)
        return np.concatenate(found_scores), np.concatenate(found_slots)

    def rows(self, slots: SlotNumbers) -> NDArray[np.float16]:
        """As `Scanner.rows`."""
        return self._rows[slots]

    def _selected_blocks(self, selected: Bitmap) -> list[tuple[Any, int, NDArray[np.uint8] | None]]:
        """Blocks with anything to find, the first slot of each, and its packed bits unless all are selected."""
        block_bytes = self.block_rows // 8
        packed = np.zeros(len(self._blocks) * block_bytes, dtype=np.uint8)
        packed[: len(selected.packed)] = selected.packed
        by_block = packed.reshape(len(self._blocks), block_bytes)
        counts = np.bitwise_count(by_block.view(np.uint64)).sum(axis=1)
        chosen: list[tuple[Any, int, NDArray[np.uint8] | None]] = []
        for number in np.flatnonzero(counts).tolist():
            block = self._blocks[number]
            bits = None if int(counts[number]) == block.ntotal else by_block[number]
            chosen.append((block, number * self.block_rows, bits))
        return chosen


class MappedVectors:
    """Float16 vectors of a finished file, mapped into memory, scanned exactly. Any thread may read.

    Args:
        path: a file that `write_vectors` wrote.
    """

    def __init__(self, path: str, longest: float) -> None:
        self.index = faiss.read_index(path, faiss.IO_FLAG_MMAP_IFC)
        self.longest = longest
        self._rows = stored_rows(self.index)

    def __len__(self) -> int:
        return int(self.index.ntotal)

    def search(self, queries: Scores, k: int, selected: Bitmap) -> tuple[Scores, SlotNumbers]:
        """As `Scanner.search`."""
        return scan(self.index, queries, k, None if selected.all else selected.packed)

    def above(self, query: Scores, floor: float, selected: Bitmap) -> tuple[Scores, SlotNumbers]:
        """As `Scanner.above`."""
        scores, slots = scan_above(self.index, query, floor, None if selected.all else selected.packed)
        return scores, slots

    def rows(self, slots: SlotNumbers) -> NDArray[np.float16]:
        """As `Scanner.rows`."""
        return self._rows[slots]

    @property
    def all_rows(self) -> NDArray[np.float16]:
        """A view of all rows, float16 [n, dim]."""
        return self._rows
