"""Merges what shards found into one list, on exact scores. Pure."""

from collections.abc import Iterable, Sequence
from itertools import chain

from contracts.search import MAX_K, ShardHit

_GROUPED_FACTOR = 8


def merge(lists: Iterable[Sequence[ShardHit]], k: int) -> list[ShardHit]:
    """The best `k` hits of several shards, best first; ties in a fixed order.

    A picture hides the chunk it was joined with when it ranks above it: it shows the same text and the picture
    too. A picture that ranks below its chunk stays a hit of its own, so that a picture which does not fit the
    question cannot pull the document down. What is hidden thus depends only on better hits: as long as each
    document lies in one list, merging is associative, and merging cut lists of `shard_k(k)` hits equals sorting
    everything.
    """
    taken: list[ShardHit] = []
    hidden: set[tuple[str, str]] = set()
    for hit in sorted(chain.from_iterable(lists), key=_rank):
        if len(taken) == k:
            break
        identity = (hit.doc_id, hit.item_id)
        if identity in hidden:
            continue
        hidden.add(identity)
        if hit.swallows is not None:
            hidden.add((hit.doc_id, hit.swallows))
        taken.append(hit)
    return taken


def shard_k(k: int) -> int:
    """Hits to ask each shard for, so that `k` are left when pictures have hidden their chunks.

    Each picture hides at most one chunk, so of 2k hits at least k remain.
    """
    return min(2 * k, MAX_K)


def grouped_k(k: int, per_document: int) -> int:
    """Hits to ask each shard for, so that `k` documents are likely among them: documents have many items."""
    return min(_GROUPED_FACTOR * k * per_document, MAX_K)


def group(hits: Iterable[ShardHit], k: int, per_document: int) -> list[ShardHit]:
    """The best `k` documents of a merged list, the best first, each with its best hits one after the other."""
    documents: dict[str, list[ShardHit]] = {}
    for hit in hits:
        if hit.doc_id not in documents and len(documents) == k:
            continue
        of_document = documents.setdefault(hit.doc_id, [])
        if len(of_document) < per_document:
            of_document.append(hit)
    return list(chain.from_iterable(documents.values()))


def _rank(hit: ShardHit) -> tuple[float, str, str]:
    """Shards cut their lists in this order too. With equal scores a picture "p0" stands before its chunk "t0"."""
    return (-hit.score, hit.doc_id, hit.item_id)
