"""Which kind of index a segment gets, with which parameters: part of what a generation is.

The defaults come from the recall table in `docs/benchmarks/index.md`.
"""

from typing import Literal

import msgspec

Kind = Literal["flat", "hnsw_fp16", "hnsw_sq8", "ivf_sq8", "ivf_pq", "halves"]
TRAINED_KINDS: frozenset[Kind] = frozenset({"hnsw_sq8", "ivf_sq8", "ivf_pq"})


class IndexParameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a shard is laid out and searched.

    Args:
        kind: of large segments; "auto" goes by `memory_bytes`, the memory that one segment may take (None: any).
        gpu: device that float16 graphs are built and searched on, where Faiss sees it; None: the CPU.
        flat_below: segments with fewer rows are scanned exactly.
        m, ef_construction: of HNSW: links of a node on upper layers (twice that below), and breadth of building.
        ef_search: breadth of an HNSW search; `nprobe`: lists of an IVF search. Both grow when a filter leaves few.
        n_lists, pq_bytes: of IVF: lists, and bytes per vector of a product quantiser.
        scan_below: a filtered search scans the matching rows of a segment instead of walking its graph while their
            number times their share of the segment is below this.
        train_rows: vectors that training takes, and waits for.
        graph_from: rows from which on the delta has a graph; `tail_rows`: newest rows, scanned exactly, that wait
            for their place in it; a multiple of 64.
        seal_rows: rows at which the delta becomes a segment.
        max_segments: more sealed segments than this are merged.
        max_dead_share: a segment with a larger share of dead slots is written anew.
    """

    kind: Kind | Literal["auto"] = "auto"
    memory_bytes: int | None = None
    gpu: int | None = None
    flat_below: int = 8192
    m: int = 16
    ef_construction: int = 100
    ef_search: int = 96
    n_lists: int = 1024
    nprobe: int = 64
    pq_bytes: int = 96
    scan_below: int = 4000
    train_rows: int = 65_536
    graph_from: int = 4096
    tail_rows: int = 1024
    seal_rows: int = 32_768
    max_segments: int = 4
    max_dead_share: float = 0.2


def kind_for(n_rows: int, dim: int, parameters: IndexParameters) -> Kind:
    """The kind of a segment with `n_rows` rows of width `dim`: by size, then by memory.

    A graph is quick only while its links and the float16 rows that it compares with stay in memory. Where they
    do not fit, product-quantised lists do, and only the candidates' rows are read from the disk.
    """
    if n_rows < parameters.flat_below:
        return "flat"
    if parameters.kind != "auto":
        return parameters.kind
    graph_bytes = n_rows * (2 * dim + 8 * parameters.m + 16)
    budget_bytes = parameters.memory_bytes
    return "hnsw_fp16" if budget_bytes is None or graph_bytes <= budget_bytes else "ivf_pq"
