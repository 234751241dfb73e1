"""One search from arrival to answer within 200 ms: cache, encoders, shards, merge, and what to do without them."""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from contracts.api import Coverage, SearchResponse
from contracts.errors import DeadlineExceeded, DependencyDown, DependencyFailed, Overloaded, TriremeError
from contracts.generations import Generation
from contracts.search import MAX_K, SearchRequest
from contracts.trace import TraceContext
from gateway.core.admission import AdaptiveLimit, AdmissionRefused
from gateway.core.budget import Budget, Budgets
from gateway.core.cache_key import cache_key
from gateway.core.cached_answer import CachedAnswer
from gateway.core.clock import Clock
from gateway.core.merge import group, grouped_k, merge, shard_k
from gateway.core.policy import DISTILLED, FULL, is_shedding
from gateway.core.query import SearchQuery
from gateway.core.reranking import pool_size, reranked
from gateway.core.route import Route
from gateway.flows.found import Found
from gateway.flows.ports import AnswerCache, Generations, HitLinks, SearchMeter, ShardBus, ShownDocuments
from gateway.flows.presenting import shown
from gateway.flows.query_spaces import QuerySpace, QuerySpaces
from gateway.flows.routing import Routing
from gateway.flows.scatter import AskShards
from gateway.flows.single_flight import SingleFlight

# What a kept answer, however old, is better than.
_FALLBACK_ERRORS = (DependencyDown, DependencyFailed, DeadlineExceeded, Overloaded)


class SearchFlow:
    """Answers searches. Use it from one event loop.

    Args:
        spaces: a query is encoded in the space of the generation that it goes to.
        fresh_s: age up to which a kept answer is as good as a new one.
        cache_wait_s: how long a search waits for the cache before it goes to the index.
        admission: lets searches in to the index, or refuses them; answers of the cache need no admission.
    """

    def __init__(
        self,
        *,
        spaces: QuerySpaces,
        shards: AskShards,
        bus: ShardBus,
        cache: AnswerCache,
        generations: Generations,
        links: HitLinks,
        meter: SearchMeter,
        shown: ShownDocuments,
        clock: Clock,
        budgets: Budgets,
        fresh_s: float,
        cache_wait_s: float,
        admission: AdaptiveLimit,
    ) -> None:
        self._spaces = spaces
        self._shards = shards
        self._bus = bus
        self._cache = cache
        self._generations = generations
        self._routing = Routing(spaces, generations)
        self._links = links
        self._meter = meter
        self._shown = shown
        self._clock = clock
        self._budgets = budgets
        self._fresh_s = fresh_s
        self._cache_wait_s = cache_wait_s
        self._admission = admission
        self._flights: SingleFlight[Found] = SingleFlight()

    def route(self, query: SearchQuery) -> Route:
        """How the policy has a query answered now. Raises as `Routing.route` does."""
        return self._routing.route(query, shedding=is_shedding(self._admission.free, self._admission.limit))

    def serves(self, route: Route, query: SearchQuery) -> bool:
        """Whether a query can be answered by this route now."""
        return self._routing.serves(route, query)

    async def search(
        self,
        query: SearchQuery,
        *,
        trace: TraceContext,
        arrived_s: float | None = None,
        route: Route | None = None,
    ) -> SearchResponse:
        """Answer a query: from the cache while that is fresh, else from the index, complete or in part.

        When neither encoders nor shards give anything in time, a kept answer of any age is given, marked as such.

        Args:
            arrived_s: monotonic time from which the budget counts; now when absent.
            route: how to answer; as the policy has it when absent.

        Raises:
            InvalidInput: weights that leave nothing of the query, or words too long for the encoder.
            Overloaded: too many searches are under way.
            DependencyDown, DependencyFailed, DeadlineExceeded: nothing answered, and nothing is kept.
        """
        budget = self._budgets.start(self._clock.monotonic_s() if arrived_s is None else arrived_s)
        try:
            response = await self._answer(query, budget, trace, route)
        except TriremeError:
            self._meter.answered("error", budget.elapsed_ms(self._clock.monotonic_s()), {})
            raise
        finally:
            self._meter_breakers()
        # Whatever served it, the cache and the replica too: what people still find does not expire.
        self._shown.note(response.generation, response.coverage.of, [hit.doc_id for hit in response.hits])
        self._meter.answered(response.served_by, response.timings_ms["total"], response.timings_ms)
        return response

    async def _answer(
        self, query: SearchQuery, budget: Budget, trace: TraceContext, route: Route | None
    ) -> SearchResponse:
        route = route or self.route(query)
        # One generation for the whole of the search, and its space with it: nothing is of two spaces.
        generation = self._routing.generation(route, query)
        space = self._spaces.of(generation.space_id)
        if route.weights is not None:
            query = replace(query, weights=route.weights)
        key = cache_key(query, variant=route.variant, generation=generation.name, reranker=route.reranker)
        timings_ms: dict[str, float] = {}
        lookup = None
        if key is not None:
            lookup = self._cache.look_up(key)
            asked_s = self._clock.monotonic_s()
            await asyncio.wait({lookup}, timeout=self._cache_wait_s)
            timings_ms["cache"] = (self._clock.monotonic_s() - asked_s) * 1000
        kept = _answer_of(lookup)
        if kept is not None and self._is_fresh(kept):
            return self._from_cache(kept, query, budget, trace, timings_ms)
        try:
            found = await self._find(key, query, generation, space, budget, trace, route)
        except _FALLBACK_ERRORS:
            # A cache that was too slow to wait for may still answer within the budget, when failing was quick.
            if lookup is not None:
                left_s = budget.collect_until_s - self._clock.monotonic_s()
                await asyncio.wait({lookup}, timeout=max(0.0, left_s))
            kept = _answer_of(lookup)
            if kept is None:
                raise
            return self._from_cache(kept, query, budget, trace, timings_ms)
        # Who finds nothing often uploads something and asks again: an answer without hits is not kept.
        if key is not None and found.hits and not found.degraded:
            self._cache.put(key, found.worth_keeping(query, generation, stored_ms=self._clock.unix_ms()))
        unreachable = key is not None and not self._cache.available()
        return SearchResponse(
            hits=shown(found.hits, query, self._links),
            coverage=found.coverage,
            served_by="index",
            variant=found.variant,
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
        space: QuerySpace,
        budget: Budget,
        trace: TraceContext,
        route: Route,
    ) -> Found:
        """Hits from the index; equal queries at the same time share one search."""
        if not self._bus.available():
            raise DependencyDown("kafka")

        async def work() -> Found:
            with self._admitted(budget):
                return await self._search_index(query, generation, space, budget, trace, route)

        return await (work() if key is None else self._flights.do(key, work))

    @contextmanager
    def _admitted(self, budget: Budget) -> Iterator[None]:
        try:
            with self._admission.admitted(budget.arrived_s) as admitted:
                self._meter.admission(self._admission.limit, refused=False)
                yield admitted
        except AdmissionRefused:
            self._meter.admission(self._admission.limit, refused=True)
            raise

    async def _search_index(
        self,
        query: SearchQuery,
        generation: Generation,
        space: QuerySpace,
        budget: Budget,
        trace: TraceContext,
        route: Route,
    ) -> Found:
        began_s = self._clock.monotonic_s()
        encoded = await space.encode.encode(query, budget, trace, distilled=route.variant == DISTILLED)
        encoded_s = self._clock.monotonic_s()
        pool = pool_size(route.reranker, query.k)
        request = SearchRequest(
            tenant=query.tenant,
            correlation_id="",
            reply_partition=0,
            deadline_ms=0,
            space_id=space.space.space_id,
            generation=generation.name,
            vector=encoded.vector.astype(np.dtype("<f4")).tobytes(),
            text_dim=space.space.text_dim,
            k=grouped_k(query.k, query.per_document) if query.per_document else shard_k(pool),
            filter=query.filter,
            words=query.words if query.weights.lexical else None,
            lexical_weight=query.weights.lexical if query.words else 0.0,
        )
        gathered = await self._shards.ask(request, generation.n_shards, budget, trace)
        gathered_s = self._clock.monotonic_s()
        lists = (reply.hits for reply in gathered.replies.values())
        if query.per_document:
            hits = group(merge(lists, MAX_K), query.k, query.per_document)
        else:
            hits = reranked(route.reranker, merge(lists, pool), query.k)
        return Found(
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
            variant=FULL if encoded.stood_in else route.variant,
        )

    def _is_fresh(self, kept: CachedAnswer) -> bool:
        return kept.age_s(self._clock.unix_s()) < self._fresh_s

    def _from_cache(
        self,
        kept: CachedAnswer,
        query: SearchQuery,
        budget: Budget,
        trace: TraceContext,
        timings_ms: dict[str, float],
    ) -> SearchResponse:
        return SearchResponse(
            hits=shown(kept.hits, query, self._links),
            coverage=Coverage(kept.n_shards, kept.n_shards),
            served_by="cache" if self._is_fresh(kept) else "stale_cache",
            variant=kept.variant,
            generation=kept.generation,
            trace_id=trace.trace_id,
            timings_ms=self._total(timings_ms, budget),
            cache_age_s=round(kept.age_s(self._clock.unix_s()), 3),
        )

    def _total(self, timings_ms: dict[str, float], budget: Budget) -> dict[str, float]:
        total_ms = budget.elapsed_ms(self._clock.monotonic_s())
        return {name: round(value, 3) for name, value in (timings_ms | {"total": total_ms}).items()}

    def _meter_breakers(self) -> None:
        """The encoders' are those of the space that is searched now."""
        for name, state in (*self._encoders_states(), *self._shards.states()):
            self._meter.breaker(name, state)

    def _encoders_states(self) -> Iterable[tuple[str, str]]:
        try:
            return self._spaces.of(self._generations.current().space_id).encode.states()
        except TriremeError:
            return ()


def _answer_of(lookup: "asyncio.Task[CachedAnswer | None] | None") -> CachedAnswer | None:
    """What a look-up has found so far."""
    return lookup.result() if lookup is not None and lookup.done() else None
