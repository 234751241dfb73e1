"""Hits as callers see them: with links that are made anew for each answer, and the sentence that matches."""

from collections.abc import Iterable

from contracts.api import SearchHit
from contracts.search import ShardHit
from gateway.core.hits import search_hit
from gateway.core.query import SearchQuery
from gateway.core.snippet import Snippets
from gateway.flows.ports import HitLinks

# Nobody reads the snippets of a list of a thousand, and splitting its texts would take longer than the search.
_SNIPPETS = 100


def shown(hits: Iterable[ShardHit], query: SearchQuery, links: HitLinks) -> list[SearchHit]:
    """The hits of a query in their order, which gives the ranks."""
    snippets = Snippets(query.words)
    return [
        search_hit(
            rank,
            hit,
            picture_url=links.picture(hit),
            thumbnail_url=links.thumbnail(hit),
            document_url=links.document(hit, query.tenant),
            snippet=snippets.of(hit.text) if rank <= _SNIPPETS else None,
        )
        for rank, hit in enumerate(hits, start=1)
    ]
