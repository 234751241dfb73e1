"""One search from arrival to answer within 200 ms: cache, encoders, shards, merge, and what to do without them."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from contracts.api import Coverage, SearchHit, SearchResponse
from contracts.errors import DeadlineExceeded, DependencyDown, DependencyFailed, Overloaded, TriremeError
from contracts.generations import Generation
from contracts.search import SearchRequest, ShardHit
from contracts.trace import TraceContext
from gateway.core.budget import Budget, Budgets
from gateway.core.cache_key import cache_key
from gateway.core.cached_answer import CachedAnswer
from gateway.core.clock import Clock
from gateway.core.hits import search_hit
from gateway.core.merge import merge, shard_k
from gateway.core.policy import DISTILLED, choose_variant
from gateway.core.query import SearchQuery
from gateway.flows.encode import EncodeQuery
from gateway.flows.ports import AnswerCache, Generations, HitLinks, SearchMeter, ShardBus, ShownDocuments
from gateway.flows.scatter import AskShards
from gateway.flows.single_flight import SingleFlight

# What a kept answer, however old, is better than.
_FALLBACK_ERRORS = (DependencyDown, DependencyFailed, DeadlineExceeded, Overloaded)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """What encoders and shards made of a query."""

    hits: tuple[ShardHit, ...]
    coverage: Coverage
    degraded: tuple[str, ...]
    timings_ms: dict[str, float]


class SearchFlow:
    """Answers searches. Use it from one event loop.

    Args:
        variants: variants of the models that are loaded.
        fresh_s: age up to which a kept answer is as good as a new one.
        cache_wait_s: how long a search waits for the cache before it goes to the index.
        max_at_once: searches under way at once; more are refused.
    """

    def __init__(
        self,
        *,
        encode: EncodeQuery,
        shards: AskShards,
        bus: ShardBus,
        cache: AnswerCache,
        generations: Generations,
        links: HitLinks,
        meter: SearchMeter,
        shown: ShownDocuments,
        clock: Clock,
        space_id: str,
        text_dim: int,
        budgets: Budgets,
        variants: Collection[str],
        fresh_s: float,
        cache_wait_s: float,
        max_at_once: int,
    ) -> None:
        self._encode = encode
        self._shards = shards
        self._bus = bus
        self._cache = cache
        self._generations = generations
        self._links = links
        self._meter = meter
        self._shown = shown
        self._clock = clock
        self._space_id = space_id
        self._text_dim = text_dim
        self._budgets = budgets
        self._variants = variants
        self._fresh_s = fresh_s
        self._cache_wait_s = cache_wait_s
        self._places = max_at_once
        self._flights: SingleFlight[_Found] = SingleFlight()

    async def search(
        self, query: SearchQuery, *, trace: TraceContext, arrived_s: float | None = None
    ) -> SearchResponse:
        """Answer a query: from the cache while that is fresh, else from the index, complete or in part.

        When neither encoders nor shards give anything in time, a kept answer of any age is given, marked as such.

        Args:
            arrived_s: monotonic time from which the budget counts; now when absent.

        Raises:
            InvalidInput: weights that leave nothing of the query, or words too long for the encoder.
            Overloaded: too many searches are under way.
            DependencyDown, DependencyFailed, DeadlineExceeded: nothing answered, and nothing is kept.
        """
        budget = self._budgets.start(self._clock.monotonic_s() if arrived_s is None else arrived_s)
        if self._places == 0:
            raise Overloaded("Too many searches are under way at the moment.")
        self._places -= 1
        try:
            response = await self._answer(query, budget, trace)
        except TriremeError:
            self._meter.answered("error", budget.elapsed_ms(self._clock.monotonic_s()), {})
            raise
        finally:
            self._places += 1
            self._meter_breakers()
        # Whatever served it, the cache and the replica too: what people still find does not expire.
        self._shown.note(response.generation, response.coverage.of, [hit.doc_id for hit in response.hits])
        self._meter.answered(response.served_by, response.timings_ms["total"], response.timings_ms)
        return response

    async def _answer(self, query: SearchQuery, budget: Budget, trace: TraceContext) -> SearchResponse:
        variant = choose_variant(query.tier, self._variants)
        generation = self._generations.current()
        key = cache_key(query, variant=variant, generation=generation.name)
        timings_ms: dict[str, float] = {}
        lookup = None
        if key is not None:
            lookup = self._cache.look_up(key)
            asked_s = self._clock.monotonic_s()
            await asyncio.wait({lookup}, timeout=self._cache_wait_s)
            timings_ms["cache"] = (self._clock.monotonic_s() - asked_s) * 1000
        kept = _answer_of(lookup)
        if kept is not None and self._is_fresh(kept):
            return self._from_cache(kept, budget, trace, timings_ms)
        try:
            found = await self._find(key, query, generation, budget, trace, variant)
        except _FALLBACK_ERRORS:
            # A cache that was too slow to wait for may still answer within the budget, when failing was quick.
            if lookup is not None:
                left_s = budget.collect_until_s - self._clock.monotonic_s()
                await asyncio.wait({lookup}, timeout=max(0.0, left_s))
            kept = _answer_of(lookup)
            if kept is None:
                raise
            return self._from_cache(kept, budget, trace, timings_ms)
        # Who finds nothing often uploads something and asks again: an answer without hits is not kept.
        if key is not None and found.hits and not found.degraded:
            self._cache.put(key, self._worth_keeping(query, found, variant, generation))
        unreachable = key is not None and not self._cache.available()
        return SearchResponse(
            hits=self._present(found.hits),
            coverage=found.coverage,
            served_by="index",
            variant=variant,
            generation=generation.name,
            trace_id=trace.trace_id,
            timings_ms=self._total(timings_ms | found.timings_ms, budget),
            degraded=[*found.degraded, *(["cache"] if unreachable else [])],
        )

    async def _find(
        self,
        key: str | None,
        query: SearchQuery,
        generation: Generation,
        budget: Budget,
        trace: TraceContext,
        variant: str,
    ) -> _Found:
        """Hits from the index; equal queries at the same time share one search."""
        if not self._bus.available():
            raise DependencyDown("kafka")
        if key is None:
            return await self._search_index(query, generation, budget, trace, variant)
        return await self._flights.do(key, lambda: self._search_index(query, generation, budget, trace, variant))

    async def _search_index(
        self, query: SearchQuery, generation: Generation, budget: Budget, trace: TraceContext, variant: str
    ) -> _Found:
        began_s = self._clock.monotonic_s()
        encoded = await self._encode.encode(query, budget, trace, distilled=variant == DISTILLED)
        encoded_s = self._clock.monotonic_s()
        request = SearchRequest(
            tenant=query.tenant,
            correlation_id="",
            reply_partition=0,
            deadline_ms=0,
            space_id=self._space_id,
            generation=generation.name,
            vector=encoded.vector.astype(np.dtype("<f4")).tobytes(),
            text_dim=self._text_dim,
            k=shard_k(query.k),
            filter=query.filter,
            words=query.words if query.weights.lexical else None,
            lexical_weight=query.weights.lexical if query.words else 0.0,
        )
        gathered = await self._shards.ask(request, generation.n_shards, budget, trace)
        gathered_s = self._clock.monotonic_s()
        hits = merge((reply.hits for reply in gathered.replies.values()), query.k)
        return _Found(
            hits=tuple(hits),
            coverage=Coverage(len(gathered.replies), generation.n_shards),
            degraded=(*encoded.missing, *(() if gathered.complete else ("shards",))),
            timings_ms={
                "encode": (encoded_s - began_s) * 1000,
                "kafka": gathered.kafka_ms,
                "queue": gathered.queue_ms,
                "faiss": gathered.faiss_ms,
                "merge": (self._clock.monotonic_s() - gathered_s) * 1000,
            },
        )

    def _is_fresh(self, kept: CachedAnswer) -> bool:
        return kept.age_s(self._clock.unix_s()) < self._fresh_s

    def _from_cache(
        self, kept: CachedAnswer, budget: Budget, trace: TraceContext, timings_ms: dict[str, float]
    ) -> SearchResponse:
        return SearchResponse(
            hits=self._present(kept.hits),
            coverage=Coverage(kept.n_shards, kept.n_shards),
            served_by="cache" if self._is_fresh(kept) else "stale_cache",
            variant=kept.variant,
            generation=kept.generation,
            trace_id=trace.trace_id,
            timings_ms=self._total(timings_ms, budget),
            cache_age_s=round(kept.age_s(self._clock.unix_s()), 3),
        )

    def _worth_keeping(
        self, query: SearchQuery, found: _Found, variant: str, generation: Generation
    ) -> CachedAnswer:
        return CachedAnswer(
            tenant=query.tenant,
            stored_ms=self._clock.unix_ms(),
            hits=found.hits,
            n_shards=found.coverage.of,
            variant=variant,
            generation=generation.name,
        )

    def _present(self, hits: tuple[ShardHit, ...]) -> list[SearchHit]:
        return [
            search_hit(
                rank,
                hit,
                picture_url=self._links.picture(hit),
                thumbnail_url=self._links.thumbnail(hit),
                document_url=self._links.document(hit),
            )
            for rank, hit in enumerate(hits, start=1)
        ]

    def _total(self, timings_ms: dict[str, float], budget: Budget) -> dict[str, float]:
        total_ms = budget.elapsed_ms(self._clock.monotonic_s())
        return {name: round(value, 3) for name, value in (timings_ms | {"total": total_ms}).items()}

    def _meter_breakers(self) -> None:
        for name, state in (*self._encode.states(), *self._shards.states()):
            self._meter.breaker(name, state)


def _answer_of(lookup: "asyncio.Task[CachedAnswer | None] | None") -> CachedAnswer | None:
    """What a look-up has found so far."""
    return lookup.result() if lookup is not None and lookup.done() else None
