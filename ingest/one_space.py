"""A request to embed a document again for one joint space alone: a record of the bulk lane."""

import msgspec

from contracts.codec import encode
from contracts.documents import Delayed, FileAdded
from contracts.topics import FILE_ADDED, Stage, bulk_topic
from ingest.work import Outgoing


def for_one_space(document: FileAdded, version: int, stage: Stage, space_id: str) -> Outgoing:
    """Work for one embedder (`stage` "text" or "image"): the version stays, no status tells of it, people's
    uploads go first.
    """
    event = msgspec.structs.replace(document, lane="bulk", space_id=space_id)
    message = Delayed(
        tenant=document.tenant,
        doc_id=document.doc_id,
        version=version,
        stage=stage,
        attempt=0,
        due_ms=0,
        cause="bulk",
        origin_topic=FILE_ADDED,
        payload=encode(event),
    )
    return Outgoing(bulk_topic(stage), message, key=document.doc_id)
