"""Which (version, revision) a shard holds of each document, and under which serial its items lie.

The ordering rule of the whole index is here: the higher (version, revision) wins, an equal pair is a
duplicate. Removed documents stay as tombstones, so that late or replayed updates cannot bring them back.
Where a serial's slots are is for the parts of the shard to say; sealing and merging move them about.
"""

from collections.abc import Iterator
from typing import Literal

import msgspec

from index_service.payloads import DocumentFields

Op = Literal["upsert", "delete", "expire"]
Precedence = Literal["newer", "duplicate", "late"]


class DocumentEntry(msgspec.Struct, frozen=True, gc=False):
    """What the shard knows of one document.

    Args:
        op: "upsert" for a document with items (perhaps none), "delete" or "expire" for a tombstone.
        serial: number of the put that brought its items, never used twice in a shard; 0 where there are none.
        n: its items.
        fields: only of an upsert without items; those of others lie beside their items.
    """

    version: int
    revision: int
    op: Op
    serial: int = 0
    n: int = 0
    fields: DocumentFields | None = None


class DocumentHead(msgspec.Struct, frozen=True, array_like=True):
    """A document with items as the part that holds them knows it: `first` is its first slot there."""

    doc_id: str
    version: int
    revision: int
    serial: int
    first: int
    n: int
    fields: DocumentFields


class EmptyDocument(msgspec.Struct, frozen=True, array_like=True):
    """A document without items, as a snapshot keeps it: a tombstone, or an upsert that brought nothing."""

    doc_id: str
    version: int
    revision: int
    op: Op
    fields: DocumentFields | None


class StoredDocument(msgspec.Struct, frozen=True, array_like=True):
    """One document as an update brings it.

    Args:
        payloads: encoded payloads, one per item; the item's vector travels beside it.
    """

    doc_id: str
    version: int
    revision: int
    op: Op
    fields: DocumentFields | None
    payloads: tuple[bytes, ...]


class DocumentTable:
    """Everything known of a shard's documents. Not thread-safe."""

    def __init__(self) -> None:
        self._documents: dict[str, DocumentEntry] = {}
        self._empty: set[str] = set()
        self.n_items = 0

    def __len__(self) -> int:
        return len(self._documents)

    def get(self, doc_id: str) -> DocumentEntry | None:
        """What is known of a document."""
        return self._documents.get(doc_id)

    def items(self) -> Iterator[tuple[str, DocumentEntry]]:
        """All documents, in no order."""
        return iter(self._documents.items())

    def precedence(self, doc_id: str, version: int, revision: int) -> Precedence:
        """How an update at (version, revision) compares with what is known of the document."""
        known = self._documents.get(doc_id)
        if known is None or (version, revision) > (known.version, known.revision):
            return "newer"
        return "duplicate" if (version, revision) == (known.version, known.revision) else "late"

    def put(self, doc_id: str, entry: DocumentEntry) -> DocumentEntry | None:
        """Replace what is known of a document; returns what that was."""
        old = self._documents.get(doc_id)
        self._documents[doc_id] = entry
        self.n_items += entry.n - (old.n if old else 0)
        if entry.n:
            self._empty.discard(doc_id)
        else:
            self._empty.add(doc_id)
        return old

    def empty(self) -> Iterator[EmptyDocument]:
        """The documents without items."""
        for doc_id in self._empty:
            entry = self._documents[doc_id]
            yield EmptyDocument(doc_id, entry.version, entry.revision, entry.op, entry.fields)
