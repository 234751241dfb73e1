"""Retrieval quality of a generation on judged queries: where the document stands that should come first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from contracts.errors import DependencyFailed
from contracts.generations import Generation
from contracts.search import SearchRequest
from gateway.flows.ask_once import ask_once
from gateway.flows.ports import ShardBus
from stack.generations.comparing import top

_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Quality:
    """What came out.

    Args:
        first: share of queries whose document came first.
        mean_reciprocal_rank: of that document among the documents found; 0 where it was not found.
    """

    queries: int
    first: float
    mean_reciprocal_rank: float


async def quality(
    bus: ShardBus,
    generation: Generation,
    judged: Sequence[tuple[SearchRequest, str]],
    *,
    timeout_s: float = _TIMEOUT_S,
) -> Quality:
    """Ask every query, and see where its document stands.

    Args:
        judged: queries in the generation's space, each with the name of the document that should come first.

    Raises:
        DependencyFailed: a shard did not answer. DependencyDown: Kafka is away.
    """
    ranks: list[float] = []
    for request, expected in judged:
        replies = await ask_once(bus, generation, request, timeout_s=timeout_s)
        if len(replies) < generation.n_shards:
            raise DependencyFailed("index", f"Not every shard of '{generation.name}' answered a judged query.")
        names = list(dict.fromkeys(hit.source_key for hit in top(replies.values(), request.k)))
        ranks.append(1 / (names.index(expected) + 1) if expected in names else 0.0)
    n = max(1, len(ranks))
    return Quality(len(ranks), sum(rank == 1.0 for rank in ranks) / n, sum(ranks) / n)
