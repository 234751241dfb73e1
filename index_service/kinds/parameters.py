"""Which kind of index a segment gets, with which parameters: part of what a generation is.

The defaults come from the recall table in `docs/benchmarks/index.md`.
"""

from typing import Literal

import msgspec

Kind = Literal["flat", "hnsw_fp16", "hnsw_sq8", "ivf_sq8", "ivf_pq", "halves"]
TRAINED_KINDS: frozenset[Kind] = frozenset({"hnsw_sq8", "ivf_sq8", "ivf_pq"})

LEAST_BREADTH = 32


class IndexParameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a shard is laid out and searched.

    Args:
        kind: of large segments; "auto" goes by `memory_bytes`, the memory that one segment may take (None: any).
        gpu: device that float16 graphs are built and searched on, where Faiss sees it; None: the CPU.
        flat_below: segments with fewer rows are scanned exactly.
        m, ef_construction: of HNSW: links of a node on upper layers (twice that below), and breadth of building.
        ef_search: breadth of an HNSW search of 100,000 rows; `ef_growth`: the power of the number of rows with
            which it grows; `ef_share`: the power of a part's share of the shard with which its breadth falls
            below that of a shard of its size, because fewer of the best lie in it.
        nprobe: lists of an IVF search. This and the breadth grow when a filter leaves few.
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
    m: int = 32
    ef_construction: int = 100
    ef_search: int = 160
    ef_growth: float = 0.55
    ef_share: float = 0.25
    n_lists: int = 1024
    nprobe: int = 256
    pq_bytes: int = 96
    scan_below: int = 4000
    train_rows: int = 65_536
    graph_from: int = 4096
    tail_rows: int = 1024
    seal_rows: int = 32_768
    max_segments: int = 3
    max_dead_share: float = 0.2


def breadth_for(n_rows: int, parameters: IndexParameters) -> int:
    """Breadth of an HNSW search of so many rows: recall sinks as a graph grows, unless the breadth grows with it.

    Measured for recall@10 of 0.95 at the worst weights: 64 at 20,000 rows, 160 at 100,000, 310 at 333,000.
    """
    growth = float((n_rows / 100_000) ** parameters.ef_growth)
    return max(LEAST_BREADTH, round(parameters.ef_search * growth))


def graph_breadth(n_rows: int, n_shard_slots: int, parameters: IndexParameters) -> float:
    """What multiplies `breadth_for` where a graph of so many rows is one part of a shard.

    Measured: four parts of 100,000 rows find as much as one graph of them (0.96 at the worst weights, 0.99 at
    even ones) where their breadths fall with the power 0.8 of their shares: 0.55 for their size, 0.25 beyond it.
    """
    return float(min(1.0, n_rows / n_shard_slots) ** parameters.ef_share)


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
