"""A shard's hit as the API shows it. Pure."""

from contracts.api import SearchHit
from contracts.search import ShardHit


def search_hit(
    rank: int,
    hit: ShardHit,
    *,
    picture_url: str | None,
    thumbnail_url: str | None,
    document_url: str | None,
    snippet: tuple[int, int] | None = None,
) -> SearchHit:
    """The hit at this rank (from 1), with its links, and the place of its snippet in the text."""
    box = hit.box
    return SearchHit(
        rank=rank,
        doc_id=hit.doc_id,
        version=hit.version,
        item_id=hit.item_id,
        kind=hit.kind,
        score=hit.score,
        text_score=hit.text_score,
        image_score=hit.image_score,
        source=hit.source_key,
        collection=hit.collection,
        content_type=hit.content_type,
        text=hit.text,
        page=hit.page,
        box=[box.left, box.top, box.right, box.bottom] if box else None,
        char_start=hit.char_start,
        char_end=hit.char_end,
        heading=hit.heading,
        caption=hit.caption,
        picture_url=picture_url,
        thumbnail_url=thumbnail_url,
        document_url=document_url,
        machine_caption=hit.machine_caption,
        captioned_by=hit.captioned_by,
        lexical_score=hit.lexical_score,
        snippet=hit.text[slice(*snippet)] if snippet else None,
        snippet_start=snippet[0] if snippet else None,
    )
