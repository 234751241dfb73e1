"""Two graphs, one per half of the vectors: each is asked with its half of the query, and both give candidates.

For weights that leave one half out; with both halves asked, a joint graph finds more (docs/benchmarks/index.md).
"""

from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray

from index_service.bitmap import SlotNumbers
from index_service.kinds.graph import Graph, build_graph
from index_service.kinds.parameters import IndexParameters
from index_service.vectors import Scores

_FILES = ("text.faiss", "image.faiss")


class Halves:
    """Two graphs over the slots 0..n. Any thread may search."""

    def __init__(self, text: Graph, image: Graph, text_dim: int) -> None:
        self._graphs = (text, image)
        self._text_dim = text_dim

    @property
    def n_rows(self) -> int:
        """Slots in the graphs."""
        return self._graphs[0].n_rows

    @property
    def memory_bytes(self) -> int:
        """Memory of links and of the halves that the graphs compare with."""
        return sum(graph.memory_bytes for graph in self._graphs) + 2 * self.n_rows * self._graphs[0].dim * 2

    def search(
        self, queries: Scores, k: int, effort: float, packed: NDArray[np.uint8] | None
    ) -> tuple[Scores, SlotNumbers]:
        """Up to `2k` slots, `k` by each half that is asked; scores are those of one half, for ordering nothing."""
        parts = (
            np.ascontiguousarray(queries[:, : self._text_dim]),
            np.ascontiguousarray(queries[:, self._text_dim :]),
        )
        found = [
            graph.search(part, k, effort, packed)
            for graph, part in zip(self._graphs, parts, strict=True)
            if part.any()
        ]
        scores = np.hstack([scores for scores, _ in found])
        slots = np.hstack([slots for _, slots in found])
        return scores, _without_repeats(slots)

    def write(self, directory: Path) -> list[str]:
        """Write its files, and return their names."""
        for graph, name in zip(self._graphs, _FILES, strict=True):
            graph.write_whole(directory / name)
        return list(_FILES)


def build_halves(vectors: NDArray[np.float16], parameters: IndexParameters, text_dim: int) -> Halves:
    """Two graphs over the halves of all rows of `vectors`, float16 [n, dim]."""
    return Halves(
        build_graph(vectors[:, :text_dim], parameters), build_graph(vectors[:, text_dim:], parameters), text_dim
    )


def read_halves(directory: Path, parameters: IndexParameters, text_dim: int) -> Halves:
    """What `Halves.write` wrote."""
    text, image = (Graph(faiss.read_index(str(directory / name)), None, parameters) for name in _FILES)
    return Halves(text, image, text_dim)


def _without_repeats(slots: SlotNumbers) -> SlotNumbers:
    """-1 in place of a slot that stands further left in its row."""
    order = np.argsort(slots, axis=1, kind="stable")
    ordered = np.take_along_axis(slots, order, axis=1)
    repeated = np.zeros_like(slots, dtype=np.bool_)
    repeated[:, 1:] = ordered[:, 1:] == ordered[:, :-1]
    out = slots.copy()
    np.put_along_axis(out, order, np.where(repeated, -1, ordered), axis=1)
    return out
