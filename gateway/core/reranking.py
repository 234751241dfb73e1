"""Other orders of the best hits than that of their scores. Pure."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from contracts.search import ShardHit

BY_SCORE = "score"
# Hits that a reranker chooses from, for each one that is wanted.
_POOL = 2

Rerank = Callable[[Sequence[ShardHit]], list[ShardHit]]


def pool_size(reranker: str, k: int) -> int:
    """How many hits a reranker has to be given, so that it can choose k of them."""
    return k if reranker == BY_SCORE else _POOL * k


def reranked(reranker: str, hits: Sequence[ShardHit], k: int) -> list[ShardHit]:
    """The first k hits in a reranker's order.

    Args:
        hits: best first, `pool_size` of them where there are so many.
    """
    return RERANKERS[reranker](hits)[:k]


def by_score(hits: Sequence[ShardHit]) -> list[ShardHit]:
    """The order in which they come."""
    return list(hits)


def spread(hits: Sequence[ShardHit]) -> list[ShardHit]:
    """Documents take turns: the best hit of each document first, then the second best of each, and so on.

    A long document that speaks of nothing else no longer fills the first page alone.
    """
    turns: dict[str, int] = {}
    placed = []
    for hit in hits:
        turn = turns.get(hit.doc_id, 0)
        turns[hit.doc_id] = turn + 1
        placed.append((turn, hit))
    return [hit for _, hit in sorted(placed, key=lambda place: place[0])]


RERANKERS: Mapping[str, Rerank] = MappingProxyType({BY_SCORE: by_score, "spread": spread})
