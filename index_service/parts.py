"""What goes into a shard and comes out of it: effects of updates, answers, and its parts at one moment."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from contracts.search import ShardHit
from index_service.bitmap import Bitmap
from index_service.delta import CapturedDelta, Delta
from index_service.documents import DocumentHead, EmptyDocument, StoredDocument
from index_service.payloads import DocumentFields
from index_service.sealed import SealedSegment

Part = Delta | SealedSegment


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of an update, and what the shard now holds of the document.

    Args:
        outcome: "applied"; "duplicate" and "late" change nothing.
        count: items of the document that are searchable now.
    """

    outcome: Literal["applied", "duplicate", "late"]
    version: int
    revision: int
    op: Literal["upsert", "delete", "expire"]
    count: int
    fields: DocumentFields | None


@dataclass(frozen=True, slots=True)
class Found:
    """Answer to one query.

    Args:
        scanned: vectors that were compared, on average over the queries of its batch.
        widened: searches of its batch that had to be repeated with more effort.
        short: whether fewer hits were found than match.
    """

    hits: tuple[ShardHit, ...]
    scanned: int
    widened: int = 0
    short: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """What a shard consisted of at one moment: for whoever writes it down, seals or merges.

    Args:
        deltas: the frozen ones and then the growing one.
        sealed: with the live bits of that moment.
    """

    dim: int
    deltas: tuple[CapturedDelta, ...]
    sealed: tuple[tuple[SealedSegment, Bitmap], ...]
    empty: tuple[EmptyDocument, ...]
    next_serial: int

    def unsealed(self) -> Iterator[StoredDocument]:
        """Every document that is in no sealed segment, those without items last."""
        for delta in self.deltas:
            for head, payloads in delta.live_documents():
                yield stored_of(head, payloads)
        yield from map(_without_items, self.empty)

    def unsealed_rows(self) -> Iterator[NDArray[np.float16]]:
        """The vectors of these documents in their order, float16 [some, dim] at a time."""
        for delta in self.deltas:
            yield from delta.live_rows()

    def documents(self) -> Iterator[tuple[StoredDocument, NDArray[np.float16]]]:
        """Every document that is held, tombstones included, with its vectors [n, dim]."""
        for segment, live in self.sealed:
            for head, payloads, vectors in segment.documents(live):
                yield stored_of(head, payloads), vectors
        for delta in self.deltas:
            for head, payloads, vectors in delta.documents():
                yield stored_of(head, payloads), vectors
        for document in map(_without_items, self.empty):
            yield document, np.empty((0, self.dim), dtype=np.float16)


def stored_of(head: DocumentHead, payloads: Sequence[bytes]) -> StoredDocument:
    """A document that a part holds, as updates bring it."""
    return StoredDocument(head.doc_id, head.version, head.revision, "upsert", head.fields, tuple(payloads))


def _without_items(empty: EmptyDocument) -> StoredDocument:
    return StoredDocument(empty.doc_id, empty.version, empty.revision, empty.op, empty.fields, ())
