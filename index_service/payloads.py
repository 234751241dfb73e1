"""What a hit shows: one small record per slot, and the document's own fields once per document.

Payloads are kept encoded: compact in memory, unseen by Python's garbage collector, and written to a snapshot
as they are. They are decoded for hits only.
"""

import msgspec

from contracts.documents import Box
from contracts.items import Item, ItemKind, ItemSet


class DocumentFields(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Fields that all items of a document share."""

    tenant: str
    collection: str
    source_key: str
    content_type: str
    added_ms: int
    readers: tuple[str, ...] = ()


class Payload(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An item without its vector; fields as in `contracts.items.Item`."""

    item_id: str
    kind: ItemKind
    text: str
    page: int | None = None
    box: Box | None = None
    char_start: int | None = None
    char_end: int | None = None
    heading: str | None = None
    caption: str | None = None
    picture_key: str | None = None
    thumbnail_key: str | None = None
    swallows: str | None = None
    machine_caption: str | None = None
    captioned_by: str | None = None


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Payload)


def fields_of(item_set: ItemSet) -> DocumentFields:
    """The document's own fields in an item set."""
    return DocumentFields(
        tenant=item_set.tenant,
        collection=item_set.collection,
        source_key=item_set.source_key,
        content_type=item_set.content_type,
        added_ms=item_set.added_ms,
        readers=item_set.readers,
    )


def encode_payload(item: Item) -> bytes:
    """An item's payload as it is kept."""
    return _ENCODER.encode(
        Payload(
            item_id=item.item_id,
            kind=item.kind,
            text=item.text,
            page=item.page,
            box=item.box,
            char_start=item.char_start,
            char_end=item.char_end,
            heading=item.heading,
            caption=item.caption,
            picture_key=item.picture_key,
            thumbnail_key=item.thumbnail_key,
            swallows=item.swallows,
            machine_caption=item.machine_caption,
            captioned_by=item.captioned_by,
        )
    )


def decode_payload(data: bytes) -> Payload:
    """Read a kept payload back."""
    return _DECODER.decode(data)


def words_of(payload: Payload) -> str:
    """What a lexical index reads of an item: its text, the heading above it, and captions, a machine's too."""
    return "\n".join(filter(None, (payload.heading, payload.caption, payload.text, payload.machine_caption)))
