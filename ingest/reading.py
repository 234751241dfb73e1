"""Records as they come from the log, read into `Work`. Pure."""

from contracts.codec import decode
from contracts.documents import Delayed, FileAdded
from contracts.errors import BadMessage
from contracts.halves import HalfReady
from contracts.ids import document_id, version_of
from contracts.topics import (
    BULK_STAGES,
    EMBEDDINGS,
    FILE_ADDED,
    RETRIED_STAGES,
    RETRY_DELAYS_S,
    Stage,
    bulk_topic,
    retry_topic,
)
from contracts.trace import TraceContext
from ingest.work import Work
from runtime.kafka import Record

JOIN_DEADLINE = "join_deadline"
# Events and pointers take about 1 KB. A huge one would not fit into the dead letter or the retry that quotes it.
_RECORD_LIMIT_BYTES = 128 * 1024
_OBJECTS = "objects/"


def main_topic(stage: Stage) -> str:
    """The topic that a stage's work arrives on."""
    return EMBEDDINGS if stage == "join" else FILE_ADDED


def delay_topics(stage: Stage) -> tuple[str, ...]:
    """The delay topics of a stage."""
    return tuple(retry_topic(stage, delay_s) for delay_s in RETRY_DELAYS_S if stage in RETRIED_STAGES)


def bulk_topics(stage: Stage) -> tuple[str, ...]:
    """The backfill topic of a stage that has one."""
    return (bulk_topic(stage),) if stage in BULK_STAGES else ()


def due_ms(record: Record, now_ms: int) -> int:
    """When a record of a delay topic may be worked on; 0 (now) for one that cannot be read.

    Never later than the longest delay from now: a clock that was wrong when the record was written shall not hold
    up its partition.
    """
    try:
        return min(decode(Delayed, record.value).due_ms, now_ms + RETRY_DELAYS_S[-1] * 1000)
    except BadMessage:
        return 0


def read_work(stage: Stage, record: Record, *, log_epoch: int, trace: TraceContext) -> Work:
    """Read a record of a stage's main topic, or one that waited in a delay or bulk topic.

    Raises:
        BadMessage: the record does not follow its contract.
    """
    if len(record.value) > _RECORD_LIMIT_BYTES:
        raise BadMessage("The record is larger than any record of its kind can be.")
    if record.topic == main_topic(stage):
        document, half = _payload(stage, record.value)
        version = half.version if half else version_of(log_epoch, record.offset)
        attempt, at_deadline, origin, payload = 0, False, record.topic, record.value
    else:
        delayed = decode(Delayed, record.value)
        if delayed.stage != stage:
            raise BadMessage(f"A record of stage '{delayed.stage}' waits among those of stage '{stage}'.")
        document, half = _payload(stage, delayed.payload)
        version, attempt = delayed.version, delayed.attempt
        at_deadline = delayed.cause == JOIN_DEADLINE
        origin, payload = delayed.origin_topic, delayed.payload
    return Work(
        stage=stage,
        document=document,
        half=half,
        version=version,
        attempt=attempt,
        at_deadline=at_deadline,
        in_bulk_lane=record.topic in bulk_topics(stage),
        origin_topic=origin,
        payload=payload,
        trace=trace,
    )


def _payload(stage: Stage, value: bytes) -> tuple[FileAdded, HalfReady | None]:
    if stage == "join":
        half = decode(HalfReady, value)
        if half.doc_id != half.document.doc_id or half.tenant != half.document.tenant:
            raise BadMessage("The half and the document it belongs to have different names.")
        document: FileAdded = half.document
    else:
        half, document = None, decode(FileAdded, value)
    if not document.uri.startswith(_OBJECTS) or any(part in {"", ".", ".."} for part in document.uri.split("/")):
        raise BadMessage("The file lies outside the part of the store that holds documents.")
    if document.doc_id != document_id(document.tenant, document.collection, document.source_key):
        raise BadMessage("The document id does not follow from tenant, collection and source.")
    return document, half
