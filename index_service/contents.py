"""Everything a shard holds, kept in step: documents and slots, vectors, payloads, filter columns.

One thread changes it. Knows nothing of locks, messages or files: `shard` adds the lock and the rules for
messages, `snapshot` the files.
"""

from collections.abc import Iterator, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from contracts.items import ItemKind
from index_service.filters import FilterColumns
from index_service.lexical.live import LiveLexical
from index_service.payloads import DocumentFields, PayloadStore, decode_payload, words_of
from index_service.segment import FlatSegment
from index_service.slots import DocumentEntry, Op, SlotTable


class StoredDocument(msgspec.Struct, frozen=True, array_like=True):
    """One document as it is kept: what `Contents.documents` gives and `Contents.put` takes.

    Args:
        payloads: encoded payloads, one per item; the item's vector travels beside it.
    """

    doc_id: str
    version: int
    revision: int
    op: Op
    fields: DocumentFields | None
    payloads: tuple[bytes, ...]


class Contents:
    """Documents of a shard with their vectors. Not thread-safe.

    Args:
        dim: width of a vector.
    """

    def __init__(self, dim: int) -> None:
        self.dim = dim
        self.slots = SlotTable()
        self.segment = FlatSegment(dim)
        self.payloads = PayloadStore()
        self.columns = FilterColumns()
        self.lexical = LiveLexical()

    def put(
        self, document: StoredDocument, vectors: NDArray[np.float16], kinds: Sequence[ItemKind]
    ) -> DocumentEntry | None:
        """Replace all that is held of the document; returns what it was before. Does not compare versions.

        Args:
            vectors: float16 [n, dim], one row per payload.
            kinds: one per payload.
        """
        n = len(document.payloads)
        if document.fields is not None and n:
            self.segment.append(vectors)
            self.payloads.extend(document.payloads)
            self.columns.extend(document.doc_id, document.fields, kinds)
            self.lexical.extend(words_of(decode_payload(payload)) for payload in document.payloads)
        old = self.slots.replace(
            document.doc_id, document.version, document.revision, document.op, n, document.fields
        )
        if old is not None and old.n:
            self.payloads.forget(old.first, old.n)
        return old

    def documents(self) -> Iterator[tuple[StoredDocument, NDArray[np.float16]]]:
        """Every document that is held, tombstones included, with its vectors [n, dim]."""
        for doc_id, entry in self.slots.documents():
            document = StoredDocument(
                doc_id=doc_id,
                version=entry.version,
                revision=entry.revision,
                op=entry.op,
                fields=entry.fields,
                payloads=self.payloads.slice(entry.first, entry.n),
            )
            yield document, self.segment.rows(np.arange(entry.first, entry.first + entry.n))

    def tombstones(self) -> list[StoredDocument]:
        """The documents that were removed."""
        return [
            StoredDocument(doc_id, entry.version, entry.revision, entry.op, None, ())
            for doc_id, entry in self.slots.documents()
            if entry.op != "upsert"
        ]

    def restore(self, document: StoredDocument, vectors: NDArray[np.float16]) -> None:
        """Put a document that `documents` gave."""
        self.put(document, vectors, [decode_payload(payload).kind for payload in document.payloads])

    def compacted(self) -> "Contents":
        """A copy without dead slots."""
        copy = Contents(self.dim)
        for document, vectors in self.documents():
            copy.restore(document, vectors)
        return copy
