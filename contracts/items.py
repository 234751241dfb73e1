"""Joint items and the record that brings them to a shard. A document's items travel together or not at all."""

import hashlib
from typing import ClassVar, Literal

import msgspec

from contracts.codec import Message, decode, encode
from contracts.documents import Box
from contracts.errors import BadMessage

INLINE_LIMIT_BYTES = 256 * 1024
PAYLOAD_TEXT_LIMIT_BYTES = 2048

# Revisions order updates of one version: the higher one wins.
REVISION_ONE_SIDED = 0
REVISION_JOINED = 1
REVISION_EXPIRED = 2

ItemKind = Literal["text", "picture"]


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One searchable thing: a chunk of text, or a picture with the text beside it.

    Args:
        item_id: "t<ordinal>" or "p<ordinal>", unique within the document.
        vector: float16 little-endian [text_dim + image_dim], both halves centred and unit, absent half zeros.
        text: what is shown and quoted, at most 2 KB of UTF-8; for a picture its caption and the text beside it.
        machine_caption: what a captioner says that a picture without any text shows. It is no text of the
            document: it is shown as a machine's, and never quoted.
        captioned_by: the captioner.
        swallows: item_id of the chunk that a picture was joined with; a picture that ranks at or above that
            chunk hides it in a list of hits.
    """

    item_id: str
    kind: ItemKind
    vector: bytes
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


class ItemSet(Message, frozen=True, kw_only=True):
    """All items of one document at one (version, revision), as stored under `items/` and sent to the shard.

    Args:
        readers: groups that may see it; empty for all of the tenant's callers.
    """

    WIRE: ClassVar[Literal["json", "msgpack"]] = "msgpack"

    doc_id: str
    version: int
    revision: int
    generation: str
    space_id: str
    collection: str
    source_key: str
    content_type: str
    added_ms: int
    items: tuple[Item, ...]
    readers: tuple[str, ...] = ()


class ClaimCheck(msgspec.Struct, frozen=True, kw_only=True):
    """Where an item set lies that is too large for the log."""

    key: str
    sha256: str
    size_bytes: int


class IndexUpdate(Message, frozen=True, kw_only=True):
    """One change of one document in one shard (topic `index_updates.<generation>`, partition = shard).

    Order everywhere: (version, revision); an equal pair is a duplicate.

    Args:
        op: "upsert" replaces the document's items; "delete" and "expire" remove them (a tombstone).
        inline: an encoded `ItemSet` of at most 256 KiB, or None.
        claim: pointer to a larger one, or None. An upsert has exactly one of the two.
    """

    WIRE: ClassVar[Literal["json", "msgpack"]] = "msgpack"

    op: Literal["upsert", "delete", "expire"]
    doc_id: str
    version: int
    revision: int
    generation: str
    space_id: str
    inline: bytes | None = None
    claim: ClaimCheck | None = None


def upsert(item_set: ItemSet, key: str) -> IndexUpdate:
    """The update that brings an item set to its shard: inline when small, else a claim check on `key`."""
    data = encode(item_set)
    small = len(data) <= INLINE_LIMIT_BYTES
    claim = ClaimCheck(key=key, sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data))
    return IndexUpdate(
        op="upsert",
        tenant=item_set.tenant,
        doc_id=item_set.doc_id,
        version=item_set.version,
        revision=item_set.revision,
        generation=item_set.generation,
        space_id=item_set.space_id,
        inline=data if small else None,
        claim=None if small else claim,
    )


def read_claim(claim: ClaimCheck, data: bytes) -> ItemSet:
    """Check a fetched item set against its claim and read it.

    Raises:
        BadMessage: size or SHA-256 differ, or the bytes are no item set.
    """
    if len(data) != claim.size_bytes or hashlib.sha256(data).hexdigest() != claim.sha256:
        raise BadMessage("The stored items do not match the size and SHA-256 in their claim check.")
    return decode(ItemSet, data)


def truncate_utf8(text: str, limit_bytes: int = PAYLOAD_TEXT_LIMIT_BYTES) -> str:
    """The longest prefix of `text` that fits into `limit_bytes` of UTF-8."""
    data = text.encode()
    return text if len(data) <= limit_bytes else data[:limit_bytes].decode(errors="ignore")
