"""Filters and shards: what a search compares, how quick it is, what it finds, by the default parameters."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import faiss
import numpy as np

from benchmarks.index.asked import PAIRS, K
from benchmarks.index.data_set import DataSet, Say
from benchmarks.index.filled_shard import EVERYTHING, SHARES, TENANT, FilledShard, fill
from benchmarks.index.timing import Timing, time_searches
from contracts.search import Filter, ShardHit
from index_service.kinds.parameters import IndexParameters
from index_service.queries import Query

_LEAST_S = 1.5
_RECALL_QUERIES = 200


@dataclass(frozen=True, slots=True)
class FilterRow:
    """One filter over some shards. `compared` is per query and shard; recall is the worst of the four weights."""

    name: str
    n_shards: int
    recall: float
    compared: float
    one: Timing
    sixteen: Timing


def filters_table(data: DataSet, scratch: Path, say: Say, *, shards: tuple[int, ...] = (1, 3)) -> list[FilterRow]:
    """Every filter over one shard and over three."""
    faiss.omp_set_num_threads(1)
    rows = []
    for n_shards in shards:
        say(f"filling {n_shards} shard{'s' * (n_shards > 1)}")
        filled = [
            fill(data, scratch / f"{i}-of-{n_shards}", IndexParameters(), shard=i, n_shards=n_shards)
            for i in range(n_shards)
        ]
        for name, wanted in {"no filter": EVERYTHING, **{n: Filter(collections=(n,)) for n in SHARES}}.items():
            rows.append(_row(name, wanted, filled, data))
            say(f"{name}, {n_shards} shards: {rows[-1].compared:.0f} compared, recall {rows[-1].recall:.3f}")
    return rows


def size_row(data: DataSet, directory: Path, say: Say) -> tuple[FilterRow, FilledShard]:
    """One shard of all rows, without a filter."""
    faiss.omp_set_num_threads(1)
    say(f"filling a shard of {data.n:,} rows")
    filled = fill(data, directory, IndexParameters())
    return _row("no filter", EVERYTHING, [filled], data), filled


def _row(name: str, wanted: Filter, filled: list[FilledShard], data: DataSet) -> FilterRow:
    recalls, compared = [], []
    for queries in data.asked.by_pair[: len(PAIRS)]:
        asked = [Query(TENANT, row, K, wanted) for row in queries[:_RECALL_QUERIES]]
        found = [each.shard.search(asked) for each in filled]
        exact = [each.shard.search([replace(query, exact=True) for query in asked]) for each in filled]
        compared += [answer.scanned for answers in found for answer in answers]
        shares = []
        for quick, true in zip(zip(*found, strict=True), zip(*exact, strict=True), strict=True):
            expected = _merged([answer.hits for answer in true])
            if expected:
                ids = {hit.item_id for hit in _merged([answer.hits for answer in quick])}
                shares.append(np.mean([hit.item_id in ids for hit in expected]))
        recalls.append(float(np.mean(shares)))

    def search(some: np.ndarray) -> None:
        for each in filled:
            each.find(some, K, wanted)

    timings = [time_searches(search, data.asked.mixed, batch, least_s=_LEAST_S) for batch in (1, 16)]
    return FilterRow(name, len(filled), min(recalls), float(np.mean(compared)), timings[0], timings[1])


def _merged(lists: list[tuple[ShardHit, ...]]) -> list[ShardHit]:
    return sorted((hit for hits in lists for hit in hits), key=lambda hit: -hit.score)[:K]
