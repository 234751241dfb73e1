"""Records that tell what became of a piece of work: status events, delayed work, dead letters. Pure."""

from contracts.documents import DeadLetter, Delayed
from contracts.errors import BadMessage
from contracts.ids import DEFAULT_TENANT, partition_of, version_of
from contracts.status import StageEvent, StageState, StatusStage, status_key
from contracts.topics import (
    DEAD_LETTERS,
    DOCUMENT_STATUS,
    FILE_ADDED,
    STATUS_PARTITIONS,
    Stage,
    bulk_topic,
    retry_topic,
)
from contracts.trace import TraceContext
from ingest.reading import JOIN_DEADLINE
from ingest.verdicts import GiveUp, TryAgain
from ingest.work import Outgoing, Work
from runtime.kafka import Record

UNKNOWN = "unknown"
# A dead letter carries its record in base64; more than this of one that cannot be read helps nobody.
_PAYLOAD_LIMIT_BYTES = 64 * 1024


def status(event: StageEvent) -> Outgoing:
    """The record of a stage event: keyed by document, version and stage, placed by document."""
    return Outgoing(
        DOCUMENT_STATUS, event, key=status_key(event), partition=partition_of(event.doc_id, STATUS_PARTITIONS)
    )


def stage_event(
    work: Work,
    state: StageState,
    at_ms: int,
    *,
    cause: str | None = None,
    reason: str | None = None,
    count: int | None = None,
    revision: int | None = None,
) -> StageEvent:
    """What this work's stage has to say about its document."""
    document = work.document
    stage: StatusStage = work.stage
    return StageEvent(
        tenant=document.tenant,
        doc_id=document.doc_id,
        version=work.version,
        stage=stage,
        state=state,
        at_ms=at_ms,
        op="delete" if document.event == "deleted" else "upsert",
        revision=revision,
        cause=cause,
        reason=reason,
        count=count,
        trace_id=work.trace.trace_id,
        collection=document.collection,
        source_key=document.source_key,
        content_type=document.content_type,
        size_bytes=document.size_bytes,
        uri=document.uri,
        etag=document.etag if document.event == "added" else None,
        sha256=document.sha256,
        attempt=work.attempt + 1,
        readers=document.readers,
    )


def delayed(work: Work, verdict: TryAgain, now_ms: int) -> Outgoing:
    """The work, put into a delay topic for its next try. A join deadline stays one."""
    message = Delayed(
        tenant=work.document.tenant,
        doc_id=work.document.doc_id,
        version=work.version,
        stage=work.stage,
        attempt=work.attempt + 1,
        due_ms=now_ms + verdict.delay_s * 1000,
        cause=JOIN_DEADLINE if work.at_deadline else verdict.cause,
        origin_topic=work.origin_topic,
        payload=work.payload,
    )
    return Outgoing(retry_topic(work.stage, verdict.delay_s), message, key=message.doc_id)


def moved_to_bulk(work: Work) -> Outgoing:
    """A backfill's work, stamped with its version and set aside until no live work waits."""
    message = Delayed(
        tenant=work.document.tenant,
        doc_id=work.document.doc_id,
        version=work.version,
        stage=work.stage,
        attempt=work.attempt,
        due_ms=0,
        cause="bulk",
        origin_topic=work.origin_topic,
        payload=work.payload,
    )
    return Outgoing(bulk_topic(work.stage), message, key=message.doc_id)


def dead_letter(work: Work, verdict: GiveUp, now_ms: int) -> Outgoing:
    """The work, given up, with all that is needed to look into it and to queue it again."""
    letter = DeadLetter(
        tenant=work.document.tenant,
        doc_id=work.document.doc_id,
        version=work.version,
        stage=work.stage,
        cause=verdict.cause,
        reason=verdict.reason,
        attempt=work.attempt + 1,
        trace_id=work.trace.trace_id,
        uri=work.document.uri,
        origin_topic=work.origin_topic,
        payload=work.payload,
        at_ms=now_ms,
    )
    return Outgoing(DEAD_LETTERS, letter, key=letter.doc_id)


def unreadable(
    stage: Stage, record: Record, error: BadMessage, *, log_epoch: int, trace: TraceContext, now_ms: int
) -> Outgoing:
    """A dead letter for a record that cannot be read, so that neither tenant nor document is known for sure."""
    letter = DeadLetter(
        tenant=DEFAULT_TENANT,
        doc_id=record.key or UNKNOWN,
        version=version_of(log_epoch, record.offset) if record.topic == FILE_ADDED else 0,
        stage=stage,
        cause=error.code,
        reason=error.message,
        attempt=1,
        trace_id=trace.trace_id,
        uri=UNKNOWN,
        origin_topic=record.topic,
        payload=record.value[:_PAYLOAD_LIMIT_BYTES],
        at_ms=now_ms,
    )
    return Outgoing(DEAD_LETTERS, letter, key=letter.doc_id)
