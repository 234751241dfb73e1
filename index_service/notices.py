"""What a shard tells the world about an update: a stage event on `document_status`, a dead letter when refused.

Pure: outcome in, records out. Sending them is `index_service.outbox`'s.
"""

from dataclasses import dataclass

from contracts.codec import Message
from contracts.documents import DeadLetter
from contracts.errors import TriremeError
from contracts.ids import DEFAULT_TENANT, partition_of
from contracts.items import IndexUpdate
from contracts.keys import item_key
from contracts.status import StageEvent, status_key
from contracts.topics import DEAD_LETTERS, DOCUMENT_STATUS, STATUS_PARTITIONS
from contracts.trace import TraceContext
from index_service.parts import Applied
from runtime.kafka import Record

# Base64 in JSON makes a payload a third longer; Kafka takes records of up to 1 MB.
_PAYLOAD_LIMIT_BYTES = 600_000


@dataclass(frozen=True, slots=True)
class Notice:
    """One record to send. `partition` None lets the key decide."""

    topic: str
    message: Message
    key: str
    partition: int | None
    trace: TraceContext | None


def applied_notice(update: IndexUpdate, applied: Applied, trace: TraceContext | None, at_ms: int) -> Notice | None:
    """The stage event of an update that was read without fault, or None where it would say nothing new.

    An update of an older version than the shard holds ends as superseded. A lower revision of the held
    version gives no event: it has the same key, and would hide the higher one's.
    """
    if applied.outcome == "late":
        if update.version == applied.version:
            return None
        return _status(
            StageEvent(
                tenant=update.tenant,
                doc_id=update.doc_id,
                version=update.version,
                stage="shard",
                state="superseded",
                at_ms=at_ms,
                op=update.op,
                revision=update.revision,
                trace_id=trace.trace_id if trace else None,
            ),
            trace,
        )
    fields = applied.fields
    event = StageEvent(
        tenant=update.tenant,
        doc_id=update.doc_id,
        version=applied.version,
        stage="shard",
        state="done",
        at_ms=at_ms,
        op=applied.op,
        revision=applied.revision,
        count=applied.count,
        trace_id=trace.trace_id if trace else None,
        collection=fields.collection if fields else None,
        source_key=fields.source_key if fields else None,
        content_type=fields.content_type if fields else None,
        readers=fields.readers if fields else (),
    )
    return _status(event, trace)


def refused_notices(
    record: Record, update: IndexUpdate | None, cause: str, reason: str, trace: TraceContext, at_ms: int
) -> list[Notice]:
    """Dead letter, and a failed stage event where it is known which document and version it was about."""
    doc_id = update.doc_id if update else record.key or "unknown"
    letter = DeadLetter(
        tenant=update.tenant if update else DEFAULT_TENANT,
        doc_id=doc_id,
        version=update.version if update else 0,
        stage="shard",
        cause=cause,
        reason=reason,
        attempt=1,
        trace_id=trace.trace_id,
        uri=_items_key(update) if update else "",
        origin_topic=record.topic,
        payload=record.value if len(record.value) <= _PAYLOAD_LIMIT_BYTES else b"",
        at_ms=at_ms,
    )
    notices = [Notice(DEAD_LETTERS, letter, doc_id, None, trace)]
    if update is not None:
        event = StageEvent(
            tenant=update.tenant,
            doc_id=doc_id,
            version=update.version,
            stage="shard",
            state="failed",
            at_ms=at_ms,
            op=update.op,
            revision=update.revision,
            cause=cause,
            reason=reason,
            trace_id=trace.trace_id,
        )
        notices.append(_status(event, trace))
    return notices


def cause_of(error: Exception) -> tuple[str, str]:
    """Stable code and sentence of an error; another library's wording never gets out."""
    if isinstance(error, TriremeError):
        return error.code, error.message
    return "internal", "The shard failed on this update; its log says how."


def _items_key(update: IndexUpdate) -> str:
    if update.claim is not None:
        return update.claim.key
    return item_key(update.generation, update.doc_id, update.version, update.revision)


def _status(event: StageEvent, trace: TraceContext | None) -> Notice:
    partition = partition_of(event.doc_id, STATUS_PARTITIONS)
    return Notice(DOCUMENT_STATUS, event, status_key(event), partition, trace)
