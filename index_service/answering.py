"""Search requests to replies: which shards answer, what is refused, what is past its deadline.

No Kafka client and no clock: records in, replies out.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from contracts.codec import decode
from contracts.errors import TriremeError
from contracts.search import TEXTS_TRAVEL, SearchReply, SearchRequest, ShardHit
from contracts.topics import REPLY_PARTITIONS
from contracts.trace import TraceContext
from index_service.hosted import HostedShard
from index_service.parts import Found
from index_service.queries import Query, read_query
from runtime.kafka import Record
from runtime.telemetry import get_logger, trace_of

_LOG = get_logger(__name__)

Searched = Callable[[int, Sequence[Query], Sequence[Found]], None]


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply and where it goes."""

    message: SearchReply
    partition: int
    trace: TraceContext


@dataclass(frozen=True, slots=True)
class _Asked:
    request: SearchRequest
    trace: TraceContext
    taken_at: float


@dataclass(slots=True)
class Tally:
    """How many requests ended how."""

    answered: int = 0
    refused: int = 0
    expired: int = 0
    elsewhere: int = 0
    unreadable: int = 0


class Answerer:
    """Answers batches of search requests for the shards of one process.

    Args:
        hosted: shards by number.
        group: replica group that the replies name.
        searched: hears of every batch of queries and what was found, by shard.
    """

    def __init__(
        self,
        hosted: Mapping[int, HostedShard],
        group: int,
        searched: Searched = lambda _shard, _asked, _found: None,
    ) -> None:
        self._hosted = hosted
        self._generations = {shard.spec.generation for shard in hosted.values()}
        self._group = group
        self._searched = searched

    def answer(self, records: Sequence[Record], now_ms: int) -> tuple[list[Reply], Tally]:
        """One reply per request and asked shard; none for a request that is past its deadline, unreadable, or for
        another generation: its own shards read it too.

        Requests that are waiting together are searched as one batch.
        """
        tally = Tally()
        asked = [one for record in records if (one := self._read(record, now_ms, tally)) is not None]
        replies: list[Reply] = []
        for number, hosted in self._hosted.items():
            mine = [one for one in asked if one.request.shards is None or number in one.request.shards]
            if mine:
                replies += self._answer_shard(hosted, mine, tally)
        return replies, tally

    def _read(self, record: Record, now_ms: int, tally: Tally) -> _Asked | None:
        try:
            request = decode(SearchRequest, record.value)
        except TriremeError as exc:
            tally.unreadable += 1
            _LOG.warning("search_request_unreadable", offset=record.offset, reason=exc.message)
            return None
        if not 0 <= request.reply_partition < REPLY_PARTITIONS:
            tally.unreadable += 1
            _LOG.warning("search_request_without_address", partition=request.reply_partition)
            return None
        if request.generation not in self._generations:
            tally.elsewhere += 1
            return None
        if request.deadline_ms < now_ms:
            tally.expired += 1
            return None
        return _Asked(request, trace_of(record.headers), time.perf_counter())

    def _answer_shard(self, hosted: HostedShard, asked: list[_Asked], tally: Tally) -> list[Reply]:
        replies: list[Reply] = []
        queries: list[tuple[_Asked, Query]] = []
        for one in asked:
            try:
                query = read_query(one.request, hosted.spec)
            except TriremeError as exc:
                replies.append(self._refusal(hosted, one, exc.message))
                continue
            if hosted.caught_up:
                queries.append((one, query))
            else:
                replies.append(self._refusal(hosted, one, "The shard is still reading its log."))
        tally.refused += len(replies)
        if queries:
            replies += self._search(hosted, queries)
            tally.answered += len(queries)
        return replies

    def _search(self, hosted: HostedShard, queries: list[tuple[_Asked, Query]]) -> list[Reply]:
        started = time.perf_counter()
        applied_offset, items = hosted.applied_offset, hosted.shard.n_items
        results = hosted.shard.search([query for _, query in queries])
        search_ms = (time.perf_counter() - started) * 1000
        self._searched(hosted.spec.shard, [query for _, query in queries], results)
        return [
            Reply(
                SearchReply(
                    tenant=one.request.tenant,
                    correlation_id=one.request.correlation_id,
                    shard=hosted.spec.shard,
                    n_shards=hosted.spec.n_shards,
                    group=self._group,
                    outcome="ok",
                    generation=hosted.spec.generation,
                    hits=_with_texts_at_the_top(found.hits),
                    queue_ms=(started - one.taken_at) * 1000,
                    search_ms=search_ms,
                    vectors_scanned=found.scanned,
                    applied_offset=applied_offset,
                    items=items,
                ),
                one.request.reply_partition,
                one.trace,
            )
            for (one, _), found in zip(queries, results, strict=True)
        ]

    def _refusal(self, hosted: HostedShard, one: _Asked, reason: str) -> Reply:
        message = SearchReply(
            tenant=one.request.tenant,
            correlation_id=one.request.correlation_id,
            shard=hosted.spec.shard,
            n_shards=hosted.spec.n_shards,
            group=self._group,
            outcome="failed",
            generation=hosted.spec.generation,
            reason=reason,
            applied_offset=hosted.applied_offset,
            items=hosted.shard.n_items,
        )
        return Reply(message, one.request.reply_partition, one.trace)


def _with_texts_at_the_top(hits: Sequence[ShardHit]) -> tuple[ShardHit, ...]:
    """Hits, those below the first hundred without their texts: a thousand whole ones are no message for Kafka."""
    below = (
        msgspec.structs.replace(hit, text="", heading=None, caption=None, machine_caption=None)
        for hit in hits[TEXTS_TRAVEL:]
    )
    return (*hits[:TEXTS_TRAVEL], *below)
