"""One shard: applies updates in the order of (version, revision), and answers searches.

No Kafka, no clock; files only where a sealed segment has them mapped. One thread applies updates, one searches,
one seals and merges (`upkeep`). A search sees each document either before or after an update, never in between.
"""

import threading
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from contracts.errors import BadMessage
from contracts.items import IndexUpdate, ItemKind, ItemSet
from index_service.batch_search import BatchSearch
from index_service.bitmap import Bitmap
from index_service.delta import CapturedDelta, Delta
from index_service.documents import (
    DocumentEntry,
    DocumentTable,
    Precedence,
    StoredDocument,
)
from index_service.kinds.graph import Graph
from index_service.kinds.parameters import IndexParameters
from index_service.parts import Applied, Found, Part, Parts, stored_of
from index_service.queries import Query
from index_service.sealed import SealedSegment
from index_service.spec import ShardSpec
from index_service.updates import check_items, check_update, read_vectors, stored_document, tombstone

DEFAULTS = IndexParameters()


class Shard:
    """One shard of one generation, empty at first."""

    def __init__(self, spec: ShardSpec, parameters: IndexParameters = DEFAULTS) -> None:
        self.spec = spec
        self.parameters = parameters
        self._lock = threading.Lock()
        self._table = DocumentTable()
        self._delta = Delta(spec.dim, parameters)
        self._frozen: tuple[Delta, ...] = ()
        self._sealed: tuple[SealedSegment, ...] = ()
        self._next_serial = 1

    @property
    def n_items(self) -> int:
        """Searchable items."""
        return self._table.n_items

    @property
    def n_documents(self) -> int:
        """Documents that are known, tombstones included."""
        return len(self._table)

    @property
    def delta(self) -> Delta:
        """The growing delta."""
        return self._delta

    @property
    def frozen(self) -> tuple[Delta, ...]:
        """Deltas that wait to be sealed, oldest first."""
        return self._frozen

    @property
    def sealed(self) -> tuple[SealedSegment, ...]:
        """The sealed segments."""
        return self._sealed

    def precedence(self, update: IndexUpdate) -> Precedence:
        """Whether the update is news: if not, its items need not be fetched."""
        return self._table.precedence(update.doc_id, update.version, update.revision)

    def apply(self, update: IndexUpdate, items: ItemSet | None) -> Applied:
        """Apply one update. All items of the document change in one step.

        Args:
            items: the document's items for an upsert that is news; ignored otherwise.

        Raises:
            BadMessage: the update or its items break their contract; nothing was changed.
            SpaceMismatch: they belong to another embedding space; nothing was changed.
        """
        check_update(update, self.spec)
        precedence = self.precedence(update)
        if precedence != "newer":
            return self._state(update.doc_id, precedence)
        vectors = np.empty((0, self.spec.dim), dtype=np.float16)
        kinds: list[ItemKind] = []
        if update.op != "upsert":
            document = tombstone(update)
        elif items is None:
            raise BadMessage("An upsert came without its items.")
        else:
            check_items(update, items)
            vectors = read_vectors(items, self.spec)
            document = stored_document(items)
            kinds = [item.kind for item in items.items]
        self.put(document, vectors, kinds)
        return self._state(update.doc_id, "applied")

    def put(self, document: StoredDocument, vectors: NDArray[np.float16], kinds: Sequence[ItemKind]) -> None:
        """Replace all that is held of a document. Does not compare versions.

        Args:
            vectors: float16 [n, dim], one row and one kind per payload.
        """
        n = len(document.payloads)
        order = document.version, document.revision
        with self._lock:
            if document.fields is not None and n:
                serial = self._next_serial
                self._next_serial += 1
                head = (document.doc_id, *order, serial)
                self._delta.append(head, document.fields, vectors, document.payloads, kinds)
                entry = DocumentEntry(*order, document.op, serial, n)
            else:
                entry = DocumentEntry(*order, document.op, fields=document.fields)
            old = self._table.put(document.doc_id, entry)
            if old is not None and old.n:
                part, first, _ = self._place(old.serial)
                part.kill(first, old.n)

    def search(self, queries: Sequence[Query]) -> list[Found]:
        """Answer a batch of queries; the i-th result belongs to the i-th query.

        A score is the exact inner product of the query with the stored float16 vector. Hits are ordered by
        score (higher first), then document id, then item id.
        """
        with self._lock:
            parts: tuple[Part, ...] = (*self._frozen, *self._sealed)
            n_slots = self._delta.n_slots + sum(part.n_slots for part in parts)
            search = BatchSearch(queries, self.spec.text_dim, self.parameters, n_slots=n_slots)
            resting = [(part, part.live.bitmap()) for part in parts]
            search.locate(self._slots_of)
            search.look_into(self._delta, self._delta.live.bitmap())
        # Neither grows any more, and the bits that were taken are of one moment.
        for part, live in resting:
            search.look_into(part, live)
        return search.found()

    def parts(self) -> Parts:
        """What the shard consists of now. For the thread that applies updates: a growing delta must not grow
        while its documents are read.
        """
        with self._lock:
            return Parts(
                dim=self.spec.dim,
                deltas=tuple(delta.captured() for delta in (*self._frozen, self._delta)),
                sealed=tuple((segment, segment.live.bitmap()) for segment in self._sealed),
                empty=tuple(self._table.empty()),
                next_serial=self._next_serial,
            )

    def documents(self) -> Iterator[tuple[StoredDocument, NDArray[np.float16]]]:
        """Every document, tombstones included, with its vectors [n, dim]; with the care of `parts`."""
        return self.parts().documents()

    def entries(self) -> Iterator[tuple[str, DocumentEntry]]:
        """What is known of each document, by its id. For the thread that applies updates."""
        return self._table.items()

    def document(self, doc_id: str) -> tuple[StoredDocument, NDArray[np.float16]] | None:
        """One document, removed or not, with its vectors [n, dim]; None where it is unknown."""
        with self._lock:
            entry = self._table.get(doc_id)
            if entry is None:
                return None
            if not entry.n:
                document = StoredDocument(doc_id, entry.version, entry.revision, entry.op, entry.fields, ())
                return document, np.empty((0, self.spec.dim), dtype=np.float16)
            part, first, number = self._place(entry.serial)
            slots = np.arange(first, first + entry.n)
            return stored_of(part.head(number), list(map(part.payload, slots.tolist()))), part.vectors.rows(slots)

    def tombstones(self) -> list[StoredDocument]:
        """The documents that were removed."""
        return [
            StoredDocument(empty.doc_id, empty.version, empty.revision, empty.op, None, ())
            for empty in self.parts().empty
            if empty.op != "upsert"
        ]

    def adopt(self, segment: SealedSegment) -> None:
        """Take in a sealed segment with its live documents: of a snapshot, or of a bulk load.

        Of a document that is known already, the older items die; of its equals too. For the thread that
        applies updates.
        """
        alive = segment.live.bitmap().bools()
        with self._lock:
            self._sealed = (*self._sealed, segment)
            for head in segment.heads():
                self._next_serial = max(self._next_serial, head.serial + 1)
                if not alive[head.first]:
                    continue
                if self._table.precedence(head.doc_id, head.version, head.revision) != "newer":
                    segment.kill(head.first, head.n)
                    continue
                entry = DocumentEntry(head.version, head.revision, "upsert", head.serial, head.n)
                old = self._table.put(head.doc_id, entry)
                if old is not None and old.n:
                    part, first, _ = self._place(old.serial)
                    part.kill(first, old.n)

    def take_serials(self, n: int) -> int:
        """The first of `n` serials that nobody else gets. For the thread that applies updates."""
        with self._lock:
            first = self._next_serial
            self._next_serial += n
        return first

    def raise_serial(self, next_serial: int) -> None:
        """Never give out a serial below this again."""
        self._next_serial = max(self._next_serial, next_serial)

    def freeze(self) -> None:
        """Let the delta take no more documents; a new one begins."""
        with self._lock:
            self._frozen = (*self._frozen, self._delta)
            self._delta = Delta(self.spec.dim, self.parameters)

    def capture(self, delta: Delta) -> CapturedDelta:
        """A frozen delta as it is now, to be read by another thread."""
        with self._lock:
            return delta.captured()

    def live_bits(self, segment: SealedSegment) -> Bitmap:
        """The live bits of a segment now."""
        with self._lock:
            return segment.live.bitmap()

    def uncovered(self) -> tuple[Delta, NDArray[np.float16]] | None:
        """The delta, and a copy of its rows that it is time to put into its graph."""
        with self._lock:
            rows = self._delta.rows_to_cover(self.parameters)
            return None if rows is None else (self._delta, rows)

    def cover(self, delta: Delta, graph: Graph) -> None:
        """Search a delta's first rows by this graph from now on."""
        with self._lock:
            delta.cover(graph)

    def swap(self, sources: Sequence[tuple[Part, Bitmap]], segment: SealedSegment | None) -> None:
        """Put one segment in place of some parts.

        Args:
            sources: the parts, with the live bits that were read when `segment` was built; what died since
                then dies in it too.
        """
        gone = {id(part) for part, _ in sources}
        with self._lock:
            for part, seen in sources:
                died = seen.without(part.live.bitmap()).slots()
                numbers, counts = np.unique(part.columns.owners[died], return_counts=True)
                for number, n in zip(numbers.tolist(), counts.tolist(), strict=True):
                    assert segment is not None
                    place = segment.columns.place(int(part.columns.serials[number]))
                    assert place is not None
                    segment.kill(place[1], n)
            kept = tuple(part for part in self._sealed if id(part) not in gone)
            self._sealed = kept if segment is None else (*kept, segment)
            self._frozen = tuple(delta for delta in self._frozen if id(delta) not in gone)

    def _place(self, serial: int) -> tuple[Part, int, int]:
        """The part that holds a serial, its first slot there, and the document's number. The lock is held."""
        parts: tuple[Part, ...] = (self._delta, *self._frozen, *self._sealed)
        for part in parts:
            place = part.columns.place(serial)
            if place is not None:
                return part, place[1], place[0]
        raise RuntimeError(f"no part of the shard holds serial {serial}")

    def _slots_of(self, doc_id: str) -> tuple[Part, int, int] | None:
        """Where a document's items are: part, first slot, number. The lock is held."""
        entry = self._table.get(doc_id)
        if entry is None or not entry.n:
            return None
        part, first, _ = self._place(entry.serial)
        return part, first, entry.n

    def _state(self, doc_id: str, outcome: Literal["applied", "duplicate", "late"]) -> Applied:
        entry = self._table.get(doc_id)
        assert entry is not None
        fields = entry.fields
        if entry.n:
            with self._lock:
                part, _, number = self._place(entry.serial)
                fields = part.head(number).fields
        return Applied(outcome, entry.version, entry.revision, entry.op, entry.n, fields)
