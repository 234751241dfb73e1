"""From ranked slots to the hits of a reply: the final order, and the payload that travels with each hit."""

from typing import NamedTuple

from contracts.search import ShardHit
from index_service.payloads import DocumentFields, decode_payload

# Hits beyond this rank come without their text, so that a reply of 1,000 hits stays under Kafka's 1 MB. A
# gateway asks for twice the hits that it shows, because a picture may hide a chunk, and it shows at most 100.
HITS_WITH_TEXT = 200


class Candidate(NamedTuple):
    """A ranked slot with what is needed to build its hit, taken out while the shard is locked."""

    doc_id: str
    version: int
    fields: DocumentFields
    payload: bytes
    score: float
    text_score: float
    image_score: float
    lexical_score: float


def top_hits(candidates: list[Candidate], k: int) -> tuple[ShardHit, ...]:
    """The best `k` candidates as hits: higher scores first, then by document id, then by item id."""
    decoded = [(decode_payload(candidate.payload), candidate) for candidate in candidates]
    decoded.sort(key=lambda pair: (-pair[1].score, pair[1].doc_id, pair[0].item_id))
    return tuple(
        ShardHit(
            doc_id=candidate.doc_id,
            version=candidate.version,
            item_id=payload.item_id,
            kind=payload.kind,
            score=candidate.score,
            text_score=candidate.text_score,
            image_score=candidate.image_score,
            lexical_score=candidate.lexical_score,
            collection=candidate.fields.collection,
            source_key=candidate.fields.source_key,
            content_type=candidate.fields.content_type,
            text=payload.text if number < HITS_WITH_TEXT else "",
            added_ms=candidate.fields.added_ms,
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
        for number, (payload, candidate) in enumerate(decoded[:k])
    )
