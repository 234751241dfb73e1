"""What a batch job brings to a shard: a columnar file with many documents' items, and a record that names it.

The file is part of the log, not of the state: the same items lie under `items/`, document by document, and a shard
that is rebuilt reads them there.
"""

import hashlib
from collections.abc import Sequence
from typing import ClassVar, Literal

import msgspec

from contracts.codec import Message, decode
from contracts.errors import BadMessage
from contracts.item_columns import FileHeader, header_of, item_sets, pyarrow_modules, schema_of, table_of
from contracts.items import ClaimCheck, IndexUpdate, ItemSet

DOCUMENTS_PER_BATCH = 10_000


class BatchEntry(msgspec.Struct, frozen=True, array_like=True):
    """One document of a batch: who has it, and what decides whether it is news."""

    tenant: str
    doc_id: str
    version: int
    revision: int


class BatchUpdate(Message, frozen=True, kw_only=True):
    """Many documents' items for a shard (topic `index_updates.<generation>`, partition = shard).

    Each document counts as if its own update had come in this place: (version, revision) decide for each.

    Args:
        tenant: of no meaning here; every entry names its own.
        batch_id: of the job's batch, for people.
        documents: what the file holds, so that a file that is no news need not be fetched.
    """

    WIRE: ClassVar[Literal["json", "msgpack"]] = "msgpack"

    op: Literal["batch"] = "batch"
    batch_id: str
    generation: str
    space_id: str
    claim: ClaimCheck
    documents: tuple[BatchEntry, ...]

    def update_of(self, entry: BatchEntry) -> IndexUpdate:
        """The update that would have brought one document alone. Its claim is that of the whole file."""
        return IndexUpdate(
            op="upsert",
            tenant=entry.tenant,
            doc_id=entry.doc_id,
            version=entry.version,
            revision=entry.revision,
            generation=self.generation,
            space_id=self.space_id,
            claim=self.claim,
        )


class _Kind(msgspec.Struct, frozen=True):
    op: str = ""


def read_update(data: bytes) -> IndexUpdate | BatchUpdate:
    """A record of `index_updates`, of whichever kind.

    Raises:
        BadMessage: neither.
    """
    try:
        kind = msgspec.msgpack.decode(data, type=_Kind)
    except msgspec.DecodeError:
        return decode(IndexUpdate, data)  # Which says what is wrong with it.
    return decode(BatchUpdate, data) if kind.op == "batch" else decode(IndexUpdate, data)


def write_batch(documents: Sequence[ItemSet], header: FileHeader) -> bytes:
    """The columnar file (Parquet) of these documents."""
    pa, parquet = pyarrow_modules()
    sink = pa.BufferOutputStream()
    rows = [(document, item) for document in documents for item in document.items]
    parquet.write_table(table_of(rows, schema_of(header), header.dim), sink, compression="zstd")
    data: bytes = sink.getvalue().to_pybytes()
    return data


def read_batch(update: BatchUpdate, data: bytes) -> list[ItemSet]:
    """Check a fetched file against its record and read it.

    Raises:
        BadMessage: size or SHA-256 differ, it is no such file, or holds other documents than the record says.
    """
    claim = update.claim
    if len(data) != claim.size_bytes or hashlib.sha256(data).hexdigest() != claim.sha256:
        raise BadMessage("The stored batch does not match the size and SHA-256 in its record.")
    pa, parquet = pyarrow_modules()
    try:
        file = parquet.ParquetFile(pa.BufferReader(data))
    except (pa.ArrowException, OSError) as exc:
        raise BadMessage("The batch is no Parquet file.") from exc
    header = header_of(file.schema_arrow)
    if (header.generation, header.space_id) != (update.generation, update.space_id):
        raise BadMessage("The batch is of another generation or space than its record says.")
    documents = list(item_sets(file.iter_batches(), header))
    found = tuple(BatchEntry(each.tenant, each.doc_id, each.version, each.revision) for each in documents)
    if found != update.documents:
        raise BadMessage("The batch holds other documents than its record says.")
    return documents


def batch_update(batch_id: str, documents: Sequence[ItemSet], data: bytes, key: str) -> BatchUpdate:
    """The record for the file `data` of these documents, stored under `key`. At least one document."""
    some = documents[0]
    return BatchUpdate(
        tenant=some.tenant,
        batch_id=batch_id,
        generation=some.generation,
        space_id=some.space_id,
        claim=ClaimCheck(key=key, sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data)),
        documents=tuple(BatchEntry(each.tenant, each.doc_id, each.version, each.revision) for each in documents),
    )
