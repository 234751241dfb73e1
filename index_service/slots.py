"""Which document owns which slots, at which (version, revision), and which slots are alive.

The ordering rule of the whole index is here: the higher (version, revision) wins, an equal pair is a
duplicate. Removed documents stay as tombstones, so that late or replayed updates cannot bring them back.
"""

from collections.abc import Iterator
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from index_service.columns import Column
from index_service.payloads import DocumentFields

Op = Literal["upsert", "delete", "expire"]
Precedence = Literal["newer", "duplicate", "late"]


class DocumentEntry(msgspec.Struct, frozen=True, gc=False):
    """What the shard knows of one document.

    Args:
        op: "upsert" for a document with items (perhaps none), "delete" or "expire" for a tombstone.
        first, n: its slots are first, first + 1, ..., first + n - 1; n is 0 for a tombstone.
        fields: None for a tombstone.
    """

    version: int
    revision: int
    op: Op
    first: int
    n: int
    fields: DocumentFields | None


class SlotTable:
    """Documents, slots and live bits. Slots are dense and never used twice; dead ones wait for compaction."""

    def __init__(self) -> None:
        self._documents: dict[str, DocumentEntry] = {}
        self._owners: list[str] = []
        self._live = Column(np.bool_)
        self.n_live = 0

    @property
    def n_slots(self) -> int:
        """Slots given out so far, dead ones included."""
        return len(self._owners)

    @property
    def live(self) -> NDArray[np.bool_]:
        """Bool [n_slots], which slots are alive (a view)."""
        return self._live.values

    def __len__(self) -> int:
        return len(self._documents)

    def documents(self) -> Iterator[tuple[str, DocumentEntry]]:
        """All documents, tombstones included."""
        return iter(self._documents.items())

    def get(self, doc_id: str) -> DocumentEntry | None:
        """What is known of a document."""
        return self._documents.get(doc_id)

    def owner(self, slot: int) -> str:
        """The document that a slot was given to."""
        return self._owners[slot]

    def precedence(self, doc_id: str, version: int, revision: int) -> Precedence:
        """How an update at (version, revision) compares with what is known of the document."""
        known = self._documents.get(doc_id)
        if known is None or (version, revision) > (known.version, known.revision):
            return "newer"
        return "duplicate" if (version, revision) == (known.version, known.revision) else "late"

    def replace(
        self, doc_id: str, version: int, revision: int, op: Op, n: int, fields: DocumentFields | None
    ) -> DocumentEntry | None:
        """Give the document `n` new slots, kill its old ones, and return what it was before."""
        old = self._documents.get(doc_id)
        if old is not None and old.n:
            self._live.values[old.first : old.first + old.n] = False
            self.n_live -= old.n
        first = self.n_slots
        self._documents[doc_id] = DocumentEntry(version, revision, op, first, n, fields)
        self._owners.extend([doc_id] * n)
        self._live.extend(True, n)
        self.n_live += n
        return old
