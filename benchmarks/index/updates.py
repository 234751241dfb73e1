"""A log of updates for `live`: records as Kafka has them, each with one item of the data set, slightly turned."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.index.data_set import DataSet
from benchmarks.index.filled_shard import TENANT
from contracts.codec import encode
from contracts.ids import document_id
from contracts.items import IndexUpdate, Item, ItemSet
from index_service.spec import ShardSpec
from runtime.kafka import Record

_COLLECTION = "bench"
_TURN = 0.02


@dataclass(frozen=True, slots=True, eq=False)
class Update:
    """One record. `probe` is its vector, float32 [dim], where it is searched for; nothing replaces it later."""

    record: Record
    doc_id: str
    probe: NDArray[np.float32] | None


def updates_of(data: DataSet, spec: ShardSpec, n: int, *, replaced: float, probe_every: int) -> Iterator[Update]:
    """`n` updates of a shard that holds the data set with one item a document. Seeded.

    Args:
        replaced: share that replaces a document of the data set, or one that came later; the others are new.
    """
    rng = np.random.default_rng(7)
    n_documents = data.n
    probed: set[int] = set()
    for offset in range(n):
        number = n_documents
        if rng.random() < replaced:
            number = int(rng.integers(n_documents))
            while number in probed:
                number = int(rng.integers(n_documents))
        n_documents = max(n_documents, number + 1)
        row = np.asarray(data.vectors[int(rng.integers(data.n))], dtype=np.float32)
        row += rng.standard_normal(len(row), dtype=np.float32) * _TURN * (row != 0)
        row /= max(1e-6, float(np.linalg.norm(row)) / (2**0.5 if row[0] and row[-1] else 1.0))
        probe = offset % probe_every == 0
        if probe:
            probed.add(number)
        name = f"{number}.txt"
        doc_id = document_id(TENANT, _COLLECTION, name)
        yield Update(_record(spec, doc_id, name, row, offset), doc_id, row if probe else None)


def _record(spec: ShardSpec, doc_id: str, name: str, row: NDArray[np.float32], offset: int) -> Record:
    item = Item(item_id="0", kind="text", vector=row.astype("<f2").tobytes(), text=f"live document {name}")
    # Documents of the data set have version 1.
    items = ItemSet(
        tenant=TENANT,
        doc_id=doc_id,
        version=offset + 2,
        revision=1,
        generation=spec.generation,
        space_id=spec.space_id,
        collection=_COLLECTION,
        source_key=name,
        content_type="text/plain",
        added_ms=offset,
        items=(item,),
    )
    update = IndexUpdate(
        op="upsert",
        tenant=TENANT,
        doc_id=doc_id,
        version=items.version,
        revision=1,
        generation=spec.generation,
        space_id=spec.space_id,
        inline=encode(items),
    )
    return Record(
        topic="index_updates.bench",
        partition=0,
        offset=offset,
        key=doc_id,
        value=encode(update),
        headers={},
        timestamp_ms=0,
    )
