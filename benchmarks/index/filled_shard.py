"""A data set in shards as an index process would hold it: documents with payloads, sealed by upkeep."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from benchmarks.index.data_set import DataSet
from benchmarks.index.joint_vectors import Kind
from contracts.ids import document_id, shard_of
from contracts.items import Item, ItemKind
from contracts.search import Filter
from index_service.documents import StoredDocument
from index_service.kinds.parameters import IndexParameters
from index_service.kinds.searcher import train
from index_service.payloads import DocumentFields, encode_payload
from index_service.queries import Query
from index_service.sealed import SealedSegment, open_segment
from index_service.shard import Shard
from index_service.spec import ShardSpec
from index_service.upkeep import Upkeep

TENANT = "default"
EVERYTHING = Filter()
# One document in so many is in a collection that filters name: 0.01 %, 1 % and 50 % of all items.
SHARES = {"rare": 0.0001, "some": 0.01, "half": 0.5}
_WORDS = ("harvest", "sensor", "voltage", "margin", "archive", "glacier", "turbine", "ledger", "violin", "bearing")


@dataclass(frozen=True, slots=True, eq=False)
class FilledShard:
    """A shard of a data set. An item's id is the number of its row."""

    shard: Shard
    directory: Path
    put_s: float
    seal_s: float

    @property
    def segment(self) -> SealedSegment:
        """Its one segment."""
        [segment] = self.shard.sealed
        return segment

    def with_parameters(self, **changes: Any) -> FilledShard:
        """The same files, searched by other parameters."""
        parameters = msgspec.structs.replace(self.shard.parameters, **changes)
        shard = Shard(self.shard.spec, parameters)
        shard.adopt(open_segment(self.segment.directory, self.shard.spec, parameters, check=False))
        return FilledShard(shard, self.directory, self.put_s, self.seal_s)

    def size_bytes(self) -> int:
        """What searches touch: vectors, and the index beside them."""
        return self.segment.n_slots * self.shard.spec.vector_bytes + self.segment.graph_bytes

    def find(self, queries: NDArray[np.float32], k: int, wanted: Filter = EVERYTHING) -> NDArray[np.int64]:
        """Row numbers of the `k` best, int64 [m, k], -1 where there are fewer."""
        found = self.shard.search([Query(TENANT, row, k, wanted) for row in queries])
        rows = np.full((len(queries), k), -1, dtype=np.int64)
        for i, answer in enumerate(found):
            rows[i, : len(answer.hits)] = [int(hit.item_id) for hit in answer.hits]
        return rows


def spec_of(data: DataSet, shard: int = 0, n_shards: int = 1) -> ShardSpec:
    """Identity of a shard of a data set."""
    return ShardSpec("bench", shard, n_shards, "space-bench", data.spec.text_dim, data.spec.image_dim)


def fill(
    data: DataSet,
    directory: Path,
    parameters: IndexParameters,
    *,
    shard: int = 0,
    n_shards: int = 1,
    seal: bool = True,
) -> FilledShard:
    """Put a data set's documents (those of the shard) into a new shard, and seal them into one segment."""
    shutil.rmtree(directory, ignore_errors=True)
    filled = Shard(spec_of(data, shard, n_shards), parameters)
    began = time.perf_counter()
    for document, rows, kinds in documents_of(data):
        if shard_of(document.doc_id, n_shards) == shard:
            filled.put(document, rows, kinds)
    put_s = time.perf_counter() - began

    def trained(kind: Any, vectors: NDArray[np.float16]) -> Any:
        n = min(len(vectors), parameters.train_rows)
        sample = np.random.default_rng(0).choice(len(vectors), n, replace=False)
        return train(kind, vectors[np.sort(sample)].astype(np.float32), parameters)

    began = time.perf_counter()
    if seal:
        Upkeep(filled, directory, trained).seal_all()
    return FilledShard(filled, directory, put_s, time.perf_counter() - began)


def documents_of(data: DataSet) -> Iterator[tuple[StoredDocument, NDArray[np.float16], Sequence[ItemKind]]]:
    """Every document with its rows and the kinds of its items."""
    ends = np.flatnonzero(np.diff(data.documents)) + 1
    bounds = [0, *ends.tolist(), data.n]
    for first, end in pairwise(bounds):
        number = int(data.documents[first])
        kinds: list[ItemKind] = ["text" if kind == Kind.TEXT else "picture" for kind in data.kinds[first:end]]
        payloads = tuple(
            encode_payload(Item(item_id=str(row), kind=kind, vector=b"", text=_text(row)))
            for row, kind in zip(range(first, end), kinds, strict=True)
        )
        fields = DocumentFields(TENANT, collection_of(number), f"{number}.txt", "text/plain", number)
        doc_id = document_id(TENANT, "bench", f"{number}.txt")
        yield StoredDocument(doc_id, 1, 1, "upsert", fields, payloads), np.asarray(data.vectors[first:end]), kinds


def collection_of(document: int) -> str:
    """The collection of a document: a seeded choice by its number alone."""
    at = (document * 2654435761 % 2**32) / 2**32
    for name, share in SHARES.items():
        if at < share:
            return name
        at -= share
    return "rest"


def _text(row: int) -> str:
    """Some 300 characters."""
    return " ".join(_WORDS[(row >> shift) % len(_WORDS)] for shift in range(40)) + f" {row}"
