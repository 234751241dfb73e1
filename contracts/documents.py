"""Records about documents: the event that starts a life, retries and dead letters."""

from typing import Literal

import msgspec

from contracts.codec import Message
from contracts.ids import DEFAULT_COLLECTION, DEFAULT_TENANT, document_id
from contracts.topics import Stage


class FileAdded(Message, frozen=True, kw_only=True):
    """An object arrived in, or left, the store (topic `file_added`, key `doc_id`).

    A hint, not a truth: readers GET the object with If-Match on `etag`; another etag means that a newer
    event is on its way. The record's offset is the document's version (`contracts.ids.version_of`).

    Args:
        source_key: the document's name within its collection, as people know it ("manuals/pump.pdf").
        uri: key of the object in the configured store; anything outside that store is refused.
        size_bytes: size as the door saw it; 0 for a delete.
        tier: "standard" or "high-value": which encoders a policy picks.
        lane: "live" for people's uploads, "bulk" for backfills that must not delay them.
        at_ms: Unix time in ms at the door, for display only.
        modified_ms: of a delete, the object's own time as the store told it; with `etag` it says which object is
            to go, where a second upload of the same bytes has the same etag.
        sha256: of the bytes, in hex, where the door saw them; an event of the store itself brings none.
        readers: groups whose callers may see the document; empty for all of the tenant's.
        space_id: None for what happened to the document itself. Else the work is about its vectors in this joint
            space alone, beside those that searches find already: no status tells of it.
        claimed_by: the batch job that reads and embeds it: the workers leave it alone. A requeue ends the claim.
    """

    event: Literal["added", "deleted"]
    collection: str
    doc_id: str
    source_key: str
    uri: str
    etag: str | None
    content_type: str
    size_bytes: int
    at_ms: int
    tier: Literal["standard", "high-value"] = "standard"
    lane: Literal["live", "bulk"] = "live"
    modified_ms: int | None = None
    sha256: str | None = None
    space_id: str | None = None
    readers: tuple[str, ...] = ()
    claimed_by: str | None = None


def file_added(
    source_key: str,
    *,
    uri: str,
    etag: str | None,
    content_type: str,
    size_bytes: int,
    at_ms: int,
    tenant: str = DEFAULT_TENANT,
    collection: str = DEFAULT_COLLECTION,
    lane: Literal["live", "bulk"] = "live",
    sha256: str | None = None,
    readers: tuple[str, ...] = (),
    claimed_by: str | None = None,
) -> FileAdded:
    """A `FileAdded` event with the document id that its names give."""
    return FileAdded(
        event="added",
        tenant=tenant,
        collection=collection,
        doc_id=document_id(tenant, collection, source_key),
        source_key=source_key,
        uri=uri,
        etag=etag,
        content_type=content_type,
        size_bytes=size_bytes,
        at_ms=at_ms,
        lane=lane,
        sha256=sha256,
        readers=readers,
        claimed_by=claimed_by,
    )


class Delayed(Message, frozen=True, kw_only=True):
    """A record that waits in a delay topic (`retry.<stage>.<delay>`, key `doc_id`).

    Also carries the join deadline: stage "join", cause "join_deadline", payload = the half that waits.

    Args:
        version: the document's version, kept through every retry.
        attempt: tries made so far (0 for a deadline).
        due_ms: Unix time in ms before which the record is left alone.
        payload: the value of the record that failed, as it was.
    """

    doc_id: str
    version: int
    stage: Stage
    attempt: int
    due_ms: int
    cause: str
    origin_topic: str
    payload: bytes


class DeadLetter(Message, frozen=True, kw_only=True):
    """Work that was given up (topic `dlq_embeddings`, key `doc_id`): why, and where the bytes are.

    Args:
        cause: short stable code ("corrupt", "encrypted", "retries_exhausted", "bad_message", ...).
        reason: a sentence for people.
        uri: key of the document's bytes in the store.
        payload: the value of the record, as it was, for a requeue.
    """

    doc_id: str
    version: int
    stage: Stage
    cause: str
    reason: str
    attempt: int
    trace_id: str | None
    uri: str
    origin_topic: str
    payload: bytes
    at_ms: int


class Box(msgspec.Struct, frozen=True, array_like=True):
    """A rectangle on a page in fractions of its size, origin at the top left: 0 <= left < right <= 1."""

    left: float
    top: float
    right: float
    bottom: float
