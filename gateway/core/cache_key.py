"""Which searches may share an answer, and under which key it is kept. Pure."""

import dataclasses
import hashlib

import msgspec

from gateway.core.query import SearchQuery

# Longer lists are rarely asked for twice and would fill the cache.
CACHED_K = 10


def cache_key(query: SearchQuery, *, variant: str, generation: str) -> str | None:
    """Redis key of a query's answer; None when its answer is not kept.

    Holds everything that decides the answer: tenant, words, picture, k, weights, filter, variant and generation.
    Values in a filter mean the same in any order.
    """
    if query.k > CACHED_K:
        return None
    filters = {
        name: sorted(value) if isinstance(value, tuple) else value
        for name, value in msgspec.structs.asdict(query.filter).items()
    }
    parts = (
        query.words,
        query.picture.sha256 if query.picture else None,
        query.k,
        dataclasses.astuple(query.weights),
        filters,
        variant,
        generation,
    )
    digest = hashlib.sha256(msgspec.json.encode(parts, order="deterministic")).hexdigest()[:40]
    return f"search:{query.tenant}:{digest}"
