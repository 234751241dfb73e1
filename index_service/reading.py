"""Reads what a shard holds, document by document, for whoever compares, exports or expires it.

For the thread that applies updates. Changes nothing.
"""

import hashlib
import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contracts.index_door import DocumentHead
from contracts.items import Item, ItemSet
from index_service.documents import StoredDocument
from index_service.payloads import decode_payload
from index_service.shard import Shard
from index_service.spec import ShardSpec
from index_service.updates import read_vectors, stored_document

_LENGTH_BYTES = 4


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """A document as a shard keeps it. `vectors` has shape [n, dim]."""

    document: StoredDocument
    vectors: NDArray[np.float16]

    @property
    def size_bytes(self) -> int:
        """What it weighs on the wire, roughly."""
        return self.vectors.nbytes + sum(map(len, self.document.payloads))


@dataclass(frozen=True, slots=True, eq=False)
class Page:
    """Documents in the order of their ids, and where the next page begins (None after the last)."""

    held: list[Held]
    after: str | None


def live_ids(shard: Shard) -> Iterator[str]:
    """Documents that are not removed, in no order."""
    return (doc_id for doc_id, entry in shard.entries() if entry.op == "upsert")


def read(shard: Shard, doc_id: str) -> Held | None:
    """One document with its vectors; None where the shard has never heard of it."""
    found = shard.document(doc_id)
    return None if found is None else Held(*found)


def read_page(
    shard: Shard, after: str, limit: int, *, limit_bytes: int, wanted: Callable[[str], bool] = lambda _: True
) -> Page:
    """The next documents behind `after`, removed ones included, that are `wanted` by their id.

    Ends with `limit` documents or with the one that brings it to `limit_bytes`, whichever comes first.
    """
    known = (doc_id for doc_id, _ in shard.entries() if doc_id > after)
    ids = heapq.nsmallest(limit, filter(wanted, known))
    held: list[Held] = []
    size_bytes = 0
    for number, doc_id in enumerate(ids, start=1):
        found = read(shard, doc_id)
        if found is not None:
            held.append(found)
            size_bytes += found.size_bytes
        if size_bytes >= limit_bytes and number < len(ids):
            return Page(held, doc_id)
    return Page(held, ids[-1] if len(ids) == limit else None)


def heads_of(shard: Shard, doc_ids: Iterable[str]) -> list[DocumentHead]:
    """Heads of those of these documents that the shard knows."""
    return [head_of(held) for doc_id in doc_ids if (held := read(shard, doc_id)) is not None]


def head_of(held: Held) -> DocumentHead:
    """A document's head, with the sums of its contents."""
    document = held.document
    live = document.op == "upsert"
    return DocumentHead(
        doc_id=document.doc_id,
        version=document.version,
        revision=document.revision,
        op=document.op,
        items=len(document.payloads),
        vectors_sha256=hashlib.sha256(np.ascontiguousarray(held.vectors).tobytes()).hexdigest() if live else None,
        payload_sha256=_sum(document.payloads) if live else None,
    )


def head_of_items(item_set: ItemSet, spec: ShardSpec) -> DocumentHead:
    """The head that a document has once these items were applied.

    Raises:
        BadMessage: a shard would refuse them.
    """
    return head_of(Held(stored_document(item_set), read_vectors(item_set, spec)))


def item_set_of(held: Held, spec: ShardSpec) -> ItemSet:
    """The items that would bring a held document back as it is."""
    document, fields = held.document, held.document.fields
    if fields is None:
        raise ValueError("a removed document has no items")
    return ItemSet(
        tenant=fields.tenant,
        doc_id=document.doc_id,
        version=document.version,
        revision=document.revision,
        generation=spec.generation,
        space_id=spec.space_id,
        collection=fields.collection,
        source_key=fields.source_key,
        content_type=fields.content_type,
        added_ms=fields.added_ms,
        readers=fields.readers,
        items=tuple(_item(data, row) for data, row in zip(document.payloads, held.vectors, strict=True)),
    )


def _item(data: bytes, row: NDArray[np.float16]) -> Item:
    payload = decode_payload(data)
    return Item(
        item_id=payload.item_id,
        kind=payload.kind,
        vector=row.astype("<f2").tobytes(),
        text=payload.text,
        page=payload.page,
        box=payload.box,
        char_start=payload.char_start,
        char_end=payload.char_end,
        heading=payload.heading,
        caption=payload.caption,
        picture_key=payload.picture_key,
        thumbnail_key=payload.thumbnail_key,
        swallows=payload.swallows,
        machine_caption=payload.machine_caption,
        captioned_by=payload.captioned_by,
    )


def _sum(payloads: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for payload in payloads:
        digest.update(len(payload).to_bytes(_LENGTH_BYTES, "little") + payload)
    return digest.hexdigest()
