"""Comparing generations: the numbers say what they say, against shards that compute their answers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
import pytest

from contracts.errors import DependencyFailed, InvalidInput
from contracts.generations import Generation
from contracts.search import SearchReply, SearchRequest, ShardHit
from contracts.trace import TraceContext
from stack.generations.comparing import Comparison, compare

DIM = 8
RANDOM = np.random.default_rng(5)
ROWS = RANDOM.normal(size=(60, DIM)).astype(np.float32)


def generation(name: str, n_shards: int, space: str = "s") -> Generation:
    return Generation(tenant="t", name=name, space_id=space, n_shards=n_shards, state="ready", created_ms=1)


def query(vector: np.ndarray) -> SearchRequest:
    return SearchRequest(
        tenant="t",
        correlation_id="",
        reply_partition=0,
        deadline_ms=0,
        space_id="s",
        generation="old",
        vector=vector.astype("<f4").tobytes(),
        text_dim=DIM // 2,
        k=3,
    )


QUERIES = [query(vector) for vector in RANDOM.normal(size=(10, DIM))]


class Shards:
    """A bus with the shards of several generations behind it. Row i is in shard i modulo their number.

    Args:
        blind: rows that an ordinary search of a generation does not see, though an exact one does.
        lost: rows that a generation does not have.
        silent: shards of a generation that do not answer.
    """

    reply_partition = 31

    def __init__(
        self,
        *,
        blind: Mapping[str, set[int]] | None = None,
        lost: Mapping[str, set[int]] | None = None,
        silent: Mapping[str, set[int]] | None = None,
    ) -> None:
        self.numbers = {"old": 3, "new": 5}
        self.blind, self.lost, self.silent = blind or {}, lost or {}, silent or {}

    def available(self) -> bool:
        return True

    def late_replies(self) -> Sequence[tuple[float, SearchReply]]:
        return ()

    def open(self) -> Talk:
        return Talk(self)

    def answers(self, request: SearchRequest) -> list[SearchReply]:
        name = request.generation
        return [
            self._answer(request, shard)
            for shard in range(self.numbers[name])
            if shard not in self.silent.get(name, set())
        ]

    def _answer(self, request: SearchRequest, shard: int) -> SearchReply:
        name, n_shards = request.generation, self.numbers[request.generation]
        unseen = self.lost.get(name, set()) | (set() if request.exact else self.blind.get(name, set()))
        scores = ROWS @ np.frombuffer(request.vector, dtype="<f4")
        mine = [row for row in np.argsort(-scores) if row % n_shards == shard and int(row) not in unseen]
        return SearchReply(
            tenant="t",
            correlation_id=request.correlation_id,
            shard=shard,
            n_shards=n_shards,
            group=0,
            outcome="ok",
            generation=name,
            hits=tuple(hit(int(row), float(scores[row])) for row in mine[: request.k]),
            items=len(mine),
        )


class Talk:
    """One conversation."""

    correlation_id = "c"

    def __init__(self, shards: Shards) -> None:
        self._shards = shards
        self._replies: list[SearchReply] = []

    def send(self, request: SearchRequest, group: int, trace: TraceContext) -> None:
        self._replies += self._shards.answers(request)

    async def next_reply(self, timeout_s: float) -> SearchReply | None:
        if self._replies:
            return self._replies.pop()
        await asyncio.sleep(timeout_s)
        return None

    def close(self) -> None:
        return None


def hit(row: int, score: float) -> ShardHit:
    return ShardHit(
        doc_id=f"d{row}",
        version=1,
        item_id="t0",
        kind="text",
        score=score,
        text_score=score,
        image_score=0.0,
        collection="c",
        source_key="s",
        content_type="text/plain",
        text="",
        added_ms=1,
    )


def compared(shards: Shards, k: int = 10, timeout_s: float = 5.0) -> Comparison:
    old, new = generation("old", 3), generation("new", 5)
    return asyncio.run(compare(shards, old, new, QUERIES, k=k, timeout_s=timeout_s))


def test_the_same_rows_in_another_number_of_shards_agree_in_everything() -> None:
    found = compared(Shards())
    assert (found.overlap, found.same_first, found.compared, found.unanswered) == (1.0, 1.0, 10, 0)
    assert (found.old.recall, found.new.recall) == (1.0, 1.0)
    assert (found.old.items, found.new.items) == (60, 60)


def test_rows_that_an_index_misses_cost_recall_and_overlap_by_just_their_share() -> None:
    blind = set(range(0, 60, 4))
    found = compared(Shards(blind={"new": blind}), k=10)
    tops = [set(np.argsort(-(ROWS @ np.frombuffer(q.vector, dtype="<f4")))[:10].tolist()) for q in QUERIES]
    share = float(np.mean([1 - len(top & blind) / 10 for top in tops]))
    assert found.old.recall == 1.0
    assert found.new.recall == pytest.approx(share)
    assert found.overlap == pytest.approx(share)


def test_rows_that_were_lost_show_in_overlap_and_items_though_recall_cannot_know() -> None:
    found = compared(Shards(lost={"new": set(range(30))}))
    assert found.new.recall == 1.0
    assert found.new.items == 30
    assert found.overlap < 0.8


def test_a_missing_shard_makes_queries_unanswered_and_never_a_number() -> None:
    with pytest.raises(DependencyFailed, match="every shard of both"):
        compared(Shards(silent={"new": {4}}), timeout_s=0.01)


def test_spaces_are_not_compared_and_neither_is_nothing() -> None:
    old, new = generation("old", 3), generation("new", 5)
    with pytest.raises(InvalidInput, match="different spaces"):
        asyncio.run(compare(Shards(), old, msgspec.structs.replace(new, space_id="x"), QUERIES, k=3))
    with pytest.raises(InvalidInput, match="no query"):
        asyncio.run(compare(Shards(), old, new, [], k=3))
