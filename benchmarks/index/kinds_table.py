"""Every kind of segment through a shard's core: recall, speed beside Faiss itself, size and build time."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from benchmarks.index.asked import K
from benchmarks.index.data_set import DataSet, Say
from benchmarks.index.filled_shard import FilledShard, fill
from benchmarks.index.recall import WANTED_RECALL, Recall, recall_of
from benchmarks.index.timing import Timing, time_searches
from index_service.kinds.parameters import IndexParameters, Kind
from index_service.kinds.searcher import Searcher

_FETCH = K + 16
_LEAST_S = 1.5
_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class KindToTry:
    """A kind with what it is built by, and the breadths of search that are tried, cheapest first."""

    name: str
    parameters: IndexParameters
    knob: str
    points: tuple[int, ...]


_EF = (64, 96, 128, 160, 192, 224, 256, 320, 384, 512)
_NPROBE = (16, 32, 64, 128, 256, 512)


def _graph(kind: Kind, m: int) -> IndexParameters:
    """Without the growth of the breadth: the sweep names it as it is."""
    return IndexParameters(kind=kind, m=m, ef_growth=0.0)


KINDS = (
    KindToTry("flat", IndexParameters(kind="flat", flat_below=0), "ef_search", (0,)),
    KindToTry("hnsw_fp16 M=16", _graph("hnsw_fp16", 16), "ef_search", _EF),
    KindToTry("hnsw_fp16 M=32", _graph("hnsw_fp16", 32), "ef_search", _EF),
    KindToTry("hnsw_sq8 M=32", _graph("hnsw_sq8", 32), "ef_search", _EF),
    KindToTry("halves M=16", _graph("halves", 16), "ef_search", _EF),
    KindToTry("ivf_sq8", IndexParameters(kind="ivf_sq8"), "nprobe", _NPROBE),
    KindToTry("ivf_pq", IndexParameters(kind="ivf_pq"), "nprobe", _NPROBE),
)


@dataclass(frozen=True, slots=True)
class KindRow:
    """One line of the table, at the cheapest point that is good enough, else at the broadest."""

    name: str
    point: int
    recall: Recall
    sweep: tuple[tuple[int, float], ...]
    core: tuple[Timing, Timing]
    faiss: tuple[Timing, Timing] | None
    ratio: tuple[float, float] | None
    bytes_per_vector: float
    build_s: float


def kinds_table(data: DataSet, scratch: Path, say: Say, only: str = "") -> list[KindRow]:
    """Build and measure each kind, one Faiss thread each."""
    rows = []
    for kind in KINDS:
        if only in kind.name:
            say(f"{kind.name}: building")
            rows.append(_measure(kind, data, scratch / kind.name.replace(" ", "-"), say))
            row = rows[-1]
            say(f"{kind.name}: {row.point}, recall {row.recall.worst:.3f}, {row.core[1].per_s:.0f}/s")
    return rows


def _measure(kind: KindToTry, data: DataSet, directory: Path, say: Say) -> KindRow:
    faiss.omp_set_num_threads(1)
    built = fill(data, directory, kind.parameters)
    sweep: list[tuple[int, Recall]] = []
    for point in kind.points:
        shard = built if not point else built.with_parameters(**{kind.knob: point})
        sweep.append((point, recall_of(partial(shard.find, k=K), data.asked, data.truth, data.kinds)))
        say(f"  {kind.knob} {point}: worst {sweep[-1][1].worst:.3f}")
        if sweep[-1][1].worst >= WANTED_RECALL:
            break
    point, recall = sweep[-1]
    shard = built if not point else built.with_parameters(**{kind.knob: point})
    core, alone, ratio = _beside_faiss(shard, data.asked.mixed)
    return KindRow(
        name=kind.name,
        point=point,
        recall=recall,
        sweep=tuple((at, found.worst) for at, found in sweep),
        core=core,
        faiss=alone,
        ratio=ratio,
        bytes_per_vector=built.size_bytes() / data.n,
        build_s=built.seal_s,
    )


def _beside_faiss(
    shard: FilledShard, queries: NDArray[np.float32]
) -> tuple[tuple[Timing, Timing], tuple[Timing, Timing] | None, tuple[float, float] | None]:
    """The core and the same Faiss index in process, taking turns; the best round of each counts."""
    searcher = shard.segment.searcher
    core = [_best([_core(shard, queries, batch) for _ in range(_ROUNDS)]) for batch in (1, 16)]
    if searcher is None:
        return (core[0], core[1]), None, None
    pairs = [[(_core(shard, queries, b), _faiss(searcher, queries, b)) for _ in range(_ROUNDS)] for b in (1, 16)]
    core = [_best([ours for ours, _ in rounds]) for rounds in pairs]
    alone = [_best([theirs for _, theirs in rounds]) for rounds in pairs]
    ratios = [float(np.median([ours.per_s / theirs.per_s for ours, theirs in rounds])) for rounds in pairs]
    return (core[0], core[1]), (alone[0], alone[1]), (ratios[0], ratios[1])


def _core(shard: FilledShard, queries: NDArray[np.float32], batch: int) -> Timing:
    return time_searches(lambda some: shard.find(some, K), queries, batch, least_s=_LEAST_S)


def _faiss(searcher: Searcher, queries: NDArray[np.float32], batch: int) -> Timing:
    return time_searches(lambda some: searcher.search(some, _FETCH, 1.0, None), queries, batch, least_s=_LEAST_S)


def _best(timings: list[Timing]) -> Timing:
    return max(timings, key=lambda timing: timing.per_s)


def as_json(rows: list[KindRow]) -> list[dict[str, Any]]:
    """Rows as plain data."""
    return [asdict(row) for row in rows]
