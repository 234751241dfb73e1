"""Which searches may share an answer, and under which key it is kept. Pure."""

import dataclasses
import hashlib

import msgspec

from contracts.gone import answers_prefix
from gateway.core.query import SearchQuery
from gateway.core.reranking import BY_SCORE

# Longer lists are rarely asked for twice and would fill the cache.
CACHED_K = 10


def cache_key(query: SearchQuery, *, variant: str, generation: str, reranker: str = BY_SCORE) -> str | None:
    """Redis key of a query's answer; None when its answer is not kept.

    Holds everything that decides the answer: tenant, words, pictures, k, grouping, weights, filter, variant,
    generation and reranker. Values in a filter mean the same in any order.
    """
    if query.k > CACHED_K:
        return None
    filters = {
        name: sorted(value) if isinstance(value, tuple) else value
        for name, value in msgspec.structs.asdict(query.filter).items()
    }
    parts = (
        query.words,
        [(picture.sha256, picture.weight) for picture in query.pictures],
        query.k,
        query.per_document,
        dataclasses.astuple(query.weights),
        filters,
        variant,
        generation,
        reranker,
    )
    digest = hashlib.sha256(msgspec.json.encode(parts, order="deterministic")).hexdigest()[:40]
    return f"{answers_prefix(query.tenant)}{digest}"
