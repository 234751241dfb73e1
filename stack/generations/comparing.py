"""Compares two generations on the same queries: what each finds, what it misses, how fast.

In one space a query is one vector, and hits are items. In two spaces it is two vectors of the same words or
picture, and hits are documents: each space cuts texts as its own encoder reads them.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np

from contracts.errors import DependencyFailed, InvalidInput
from contracts.generations import Generation
from contracts.search import SearchReply, SearchRequest, ShardHit
from gateway.flows.ask_once import ask_once
from gateway.flows.ports import ShardBus

# Scores are sums of float16 products: equal items may differ by this much between two searches.
SAME_SCORE = 1e-5
_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Side:
    """How one generation did.

    Args:
        recall: mean share of the exact top-k, by its own full comparison, that its ordinary search found.
        search_ms: median time of the slowest shard.
        items: live items in all shards.
    """

    generation: str
    recall: float
    search_ms: float
    items: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """What came out.

    Args:
        compared: queries that all shards of both answered; `unanswered`: the others.
        overlap: mean share of the old one's hits that are among the new one's.
        same_first: share of queries with the same first hit.
        by: what counts as a hit.
    """

    old: Side
    new: Side
    k: int
    compared: int
    unanswered: int
    overlap: float
    same_first: float
    by: Literal["item", "document"] = "item"


@dataclass(frozen=True, slots=True)
class _Answer:
    hits: tuple[ShardHit, ...]
    recall: float
    search_ms: float
    items: int


async def compare(
    bus: ShardBus,
    old: Generation,
    new: Generation,
    queries: Sequence[SearchRequest],
    *,
    k: int,
    timeout_s: float = _TIMEOUT_S,
    in_new_space: Sequence[SearchRequest] | None = None,
) -> Comparison:
    """Ask both every query, one after the other, so that searches of people are hardly disturbed.

    Args:
        in_new_space: the same queries in the new generation's space, where that is another one.
        timeout_s: how long the shards of one generation may take for one query.

    Raises:
        InvalidInput: they are of different spaces, or there is no query.
        DependencyFailed: no query was answered by all shards of both.
        DependencyDown: Kafka is away.
    """
    if old.space_id != new.space_id and in_new_space is None:
        raise InvalidInput("The two generations are of different spaces: one vector means nothing in the other.")
    if not queries:
        raise InvalidInput("There is no query to compare on.")
    pairs: list[tuple[_Answer, _Answer]] = []
    for query, other in zip(queries, in_new_space or queries, strict=True):
        theirs, ours = await _answer(bus, old, query, k, timeout_s), await _answer(bus, new, other, k, timeout_s)
        if theirs is not None and ours is not None:
            pairs.append((theirs, ours))
    same_space = old.space_id == new.space_id
    measure, identity = (overlap, _identity) if same_space else (document_overlap, _document)
    if not pairs:
        raise DependencyFailed("index", "Not one query was answered by every shard of both generations.")
    return Comparison(
        old=_side(old, [pair[0] for pair in pairs]),
        new=_side(new, [pair[1] for pair in pairs]),
        k=k,
        compared=len(pairs),
        unanswered=len(queries) - len(pairs),
        overlap=float(np.mean([measure(a.hits, b.hits) for a, b in pairs])),
        same_first=float(np.mean([_same_first(a.hits, b.hits, identity) for a, b in pairs])),
        by="item" if same_space else "document",
    )


def overlap(old: Sequence[ShardHit], new: Sequence[ShardHit]) -> float:
    """Share of the old hits that the new ones have; hits as good as the new list's last one count as there."""
    if not old:
        return 1.0
    there = {_identity(hit) for hit in new}
    cut = new[-1].score if len(new) >= len(old) else None
    kept = [_identity(h) in there or (cut is not None and abs(h.score - cut) <= SAME_SCORE) for h in old]
    return sum(kept) / len(old)


def document_overlap(old: Sequence[ShardHit], new: Sequence[ShardHit]) -> float:
    """Share of the documents of the old hits that the new ones have. Scores of two spaces are not compared."""
    wanted = {hit.doc_id for hit in old}
    return len(wanted & {hit.doc_id for hit in new}) / len(wanted) if wanted else 1.0


def recall(found: Sequence[ShardHit], exact: Sequence[ShardHit]) -> float:
    """Share of the exact top-k that was found; a hit that scores as high as the last exact one counts."""
    if not exact:
        return 1.0
    good = sum(hit.score >= exact[-1].score - SAME_SCORE for hit in found[: len(exact)])
    return good / len(exact)


async def _answer(
    bus: ShardBus, generation: Generation, query: SearchRequest, k: int, timeout_s: float
) -> _Answer | None:
    asked = msgspec.structs.replace(query, generation=generation.name, k=k, shards=None)
    found = await ask_once(bus, generation, asked, timeout_s=timeout_s)
    exact = await ask_once(bus, generation, msgspec.structs.replace(asked, exact=True), timeout_s=timeout_s)
    if min(len(found), len(exact)) < generation.n_shards:
        return None
    hits = top(found.values(), k)
    return _Answer(
        hits,
        recall(hits, top(exact.values(), k)),
        max(reply.search_ms for reply in found.values()),
        sum(reply.items for reply in found.values()),
    )


def top(replies: Iterable[SearchReply], k: int) -> tuple[ShardHit, ...]:
    """The k best hits of all shards; equal scores in the order of their identity."""
    hits = [hit for reply in replies for hit in reply.hits]
    return tuple(sorted(hits, key=lambda hit: (-hit.score, _identity(hit)))[:k])


def _same_first(
    old: Sequence[ShardHit], new: Sequence[ShardHit], identity: Callable[[ShardHit], Hashable]
) -> bool:
    return [identity(hit) for hit in old[:1]] == [identity(hit) for hit in new[:1]]


def _identity(hit: ShardHit) -> tuple[str, int, str]:
    return hit.doc_id, hit.version, hit.item_id


def _document(hit: ShardHit) -> tuple[str, int, str]:
    return hit.doc_id, hit.version, ""


def _side(generation: Generation, answers: Sequence[_Answer]) -> Side:
    return Side(
        generation=generation.name,
        recall=float(np.mean([answer.recall for answer in answers])),
        search_ms=float(np.median([answer.search_ms for answer in answers])),
        items=max(answer.items for answer in answers),
    )
