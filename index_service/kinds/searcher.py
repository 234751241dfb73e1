"""What every kind of segment offers, and the one place that knows all kinds: building, training, reading."""

from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from index_service.bitmap import SlotNumbers
from index_service.kinds.gpu import build_cagra, on_device, on_gpu
from index_service.kinds.graph import Graph, build_graph, read_graph, train_codes
from index_service.kinds.halves import build_halves, read_halves
from index_service.kinds.inverted import build_inverted, read_inverted, train_inverted
from index_service.kinds.parameters import TRAINED_KINDS, IndexParameters, Kind
from index_service.vectors import Scores


class Searcher(Protocol):
    """Finds candidates among the slots of a segment."""

    @property
    def memory_bytes(self) -> int:
        """Memory beside the stored vectors."""
        ...

    def search(
        self, queries: Scores, k: int, effort: float, packed: NDArray[np.uint8] | None
    ) -> tuple[Scores, SlotNumbers]:
        """At least the `k` best slots that were met, -1 where there were fewer."""
        ...


def build(
    kind: Kind,
    vectors: NDArray[np.float16],
    directory: Path,
    parameters: IndexParameters,
    *,
    text_dim: int,
    trained: Any,
    base: Searcher | None,
) -> list[str]:
    """Build a segment's index of this kind into `directory`; returns the names of its files.

    Args:
        vectors: float16 [n, dim].
        trained: what `train` gave, for kinds that need it.
        base: the searcher of the same kind over the first rows, to go on from where the kind allows it.
    """
    match kind:
        case "flat":
            return []
        case "hnsw_fp16" if on_gpu(parameters):
            return Graph(build_cagra(vectors, parameters), None, parameters).write(directory)
        case "hnsw_fp16" | "hnsw_sq8":
            graph = build_graph(
                vectors, parameters, trained=trained, base=base if isinstance(base, Graph) else None
            )
            return graph.write(directory)
        case "ivf_sq8" | "ivf_pq":
            return build_inverted(vectors, parameters, trained).write(directory)
        case "halves":
            return build_halves(vectors, parameters, text_dim).write(directory)


def read(
    kind: Kind, directory: Path, parameters: IndexParameters, *, vectors: Any, text_dim: int
) -> Searcher | None:
    """The searcher that `build` left in `directory`; None for a flat segment.

    Args:
        vectors: the segment's flat index, which graphs without codes of their own compare with.
    """
    match kind:
        case "flat":
            return None
        case "hnsw_fp16" | "hnsw_sq8":
            graph = read_graph(directory, parameters, vectors, codes=kind == "hnsw_sq8")
            return graph if graph.can_grow or not on_gpu(parameters) else on_device(graph, vectors, parameters)
        case "ivf_sq8" | "ivf_pq":
            return read_inverted(directory, parameters)
        case "halves":
            return read_halves(directory, parameters, text_dim)


def train(kind: Kind, sample: NDArray[np.float32], parameters: IndexParameters) -> Any:
    """The trained, empty index that segments of this kind start from, or None where nothing needs training."""
    if kind not in TRAINED_KINDS:
        return None
    return train_codes(sample) if kind == "hnsw_sq8" else train_inverted(sample, kind, parameters)
