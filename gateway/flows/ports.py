"""What the search flow needs from outside, as small protocols. Clients implement them, and so do test fakes."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from contracts.api import SearchResponse
from contracts.generations import Generation
from contracts.joint import Vector
from contracts.search import SearchReply, SearchRequest, ShardHit
from contracts.space import Space, TextRole
from contracts.trace import TraceContext
from gateway.core.access import Caller
from gateway.core.cached_answer import CachedAnswer
from gateway.core.query import SearchQuery
from gateway.core.route import Route


class Search(Protocol):
    """Anything that answers searches; other flows depend on this and not on the search flow's insides."""

    async def search(
        self, query: SearchQuery, *, trace: TraceContext, arrived_s: float | None = None
    ) -> SearchResponse:
        """Answer a query within its budget; see `gateway.flows.search.SearchFlow.search`."""
        ...


class QueryEncoder(Protocol):
    """Turns words and pictures into vectors; `encoding.encoder.Encoder` does."""

    @property
    def space(self) -> Space:
        """The joint space that the vectors belong to."""
        ...

    @property
    def shares_text_tower(self) -> bool:
        """Whether the CLIP text tower is the text encoder itself, so that one run serves both."""
        ...

    async def embed_texts(
        self,
        texts: Sequence[str],
        *,
        role: TextRole,
        priority: int,
        timeout_s: float,
        trace: TraceContext | None = None,
    ) -> NDArray[np.float32]:
        """Float32 [n, text_dim]."""
        ...

    async def embed_query_words(
        self, words: str, *, timeout_s: float, trace: TraceContext | None = None
    ) -> Vector:
        """Float32 [image_dim]."""
        ...

    async def embed_pictures(
        self,
        pictures: Sequence[NDArray[np.uint8]],
        *,
        priority: int,
        timeout_s: float,
        trace: TraceContext | None = None,
        distilled: bool = False,
    ) -> NDArray[np.float32]:
        """Float32 [n, image_dim]; by the distilled tower when `distilled`."""
        ...


class Conversation(Protocol):
    """One search on the bus: requests go out under one correlation id, replies come in until it is closed."""

    @property
    def correlation_id(self) -> str:
        """The id that requests of this search must carry."""
        ...

    def send(self, request: SearchRequest, group: int, trace: TraceContext) -> None:
        """Publish to a replica group. Raises DependencyDown or Overloaded at once, never waits."""
        ...

    async def next_reply(self, timeout_s: float) -> SearchReply | None:
        """The next reply in order of arrival, or None when `timeout_s` has passed."""
        ...

    def close(self) -> None:
        """No more replies are wanted; those that still come are late."""
        ...


class ShardBus(Protocol):
    """Request and reply between this gateway and the replica groups."""

    @property
    def reply_partition(self) -> int:
        """Where shards send their replies to."""
        ...

    def available(self) -> bool:
        """False while Kafka is known to be away."""
        ...

    def open(self) -> Conversation:
        """Begin a search. Raises DependencyDown while Kafka is away, Overloaded when too many are open."""
        ...

    def late_replies(self) -> Sequence[tuple[float, SearchReply]]:
        """Replies to closed conversations since the last call, with the monotonic time of their arrival."""
        ...


class AnswerCache(Protocol):
    """Remembers answers; never raises."""

    def look_up(self, key: str) -> "asyncio.Task[CachedAnswer | None]":
        """Begins to look for what was kept, without hits of documents deleted meanwhile.

        Gives None also when the cache cannot be reached. Ends by itself, soon, whether or not anyone waits.
        """
        ...

    def put(self, key: str, answer: CachedAnswer) -> None:
        """Keep an answer; returns at once and writes behind."""
        ...

    def available(self) -> bool:
        """False while the cache is left alone because it failed."""
        ...


class Generations(Protocol):
    """Which index generation searches go to."""

    def current(self, space_id: str | None = None) -> Generation:
        """The serving generation. Raises DependencyDown while none is known.

        Args:
            space_id: of a query that was begun in this space: the one that served it last, should searches have
                gone over to another space meanwhile.
        """
        ...

    def named(self, name: str) -> Generation:
        """A live generation, whether or not it is the one that serves. Raises DependencyDown: it is not there."""
        ...


class HitLinks(Protocol):
    """Makes the short-lived links of a hit."""

    def picture(self, hit: ShardHit) -> str | None:
        """Link to the picture; None for text."""
        ...

    def thumbnail(self, hit: ShardHit) -> str | None:
        """Link to the small picture; None for text."""
        ...

    def document(self, hit: ShardHit, tenant: str) -> str | None:
        """Link to the whole document."""
        ...


class RoutedSearch(Protocol):
    """Searches that can be told how to be answered; `gateway.flows.search.SearchFlow`."""

    def route(self, query: SearchQuery) -> Route:
        """How the policy has a query answered."""
        ...

    def serves(self, route: Route, query: SearchQuery) -> bool:
        """Whether a query can be answered by this route now."""
        ...

    async def search(
        self,
        query: SearchQuery,
        *,
        trace: TraceContext,
        arrived_s: float | None = None,
        route: Route | None = None,
    ) -> SearchResponse:
        """Answer a query by a route."""
        ...


class ShownDocuments(Protocol):
    """Is told which documents answers show; `gateway.clients.touches.KafkaTouches` tells the shards."""

    def note(self, generation: str, n_shards: int, doc_ids: Iterable[str]) -> None:
        """Documents were shown. Returns at once and never raises."""
        ...


class CallerQuotas(Protocol):
    """Counts what callers use; `gateway.clients.quotas.Quotas` does."""

    async def admit(self, caller: Caller) -> None:
        """Count a request. Raises Overloaded, with the time to wait."""
        ...

    async def used(self, caller: Caller, tokens: int) -> None:
        """Count tokens that were read and written."""
        ...


class SearchMeter(Protocol):
    """Where the flow reports what it did, for metrics."""

    def answered(self, served_by: str, total_ms: float, timings_ms: Mapping[str, float]) -> None:
        """A search was answered."""
        ...

    def missing_shards(self, group: int, count: int) -> None:
        """Shards did not answer in time."""
        ...

    def hedged(self, reason: str) -> None:
        """A request was repeated to the other group."""
        ...

    def breaker(self, name: str, state: str) -> None:
        """A breaker stands at "closed", "half_open" or "open"."""
        ...

    def admission(self, limit: int, *, refused: bool) -> None:
        """A search was let in to the index, or refused, while so many may be there at once."""
        ...
