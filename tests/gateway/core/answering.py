"""Hits and passages for tests of answers."""

from contracts.api import SearchHit
from gateway.core.prompt import Passage, passages_of


def hit(rank: int, text: str, **fields: object) -> SearchHit:
    values: dict[str, object] = {
        "rank": rank,
        "doc_id": f"doc-{rank}",
        "version": 1,
        "item_id": "t0",
        "kind": "text",
        "score": 1.0 / rank,
        "text_score": 1.0 / rank,
        "image_score": 0.0,
        "source": f"source-{rank}.pdf",
        "collection": "default",
        "content_type": "application/pdf",
        "text": text,
        "page": rank,
        "char_start": 100,
        "char_end": 100 + len(text),
    }
    return SearchHit(**(values | fields))  # type: ignore[arg-type]


def passages(*texts: str) -> tuple[Passage, ...]:
    return passages_of([hit(rank, text) for rank, text in enumerate(texts, start=1)])
