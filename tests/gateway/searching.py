"""A search flow over fakes, ready to be used by tests."""

from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np

from contracts.api import SearchResponse
from contracts.joint import Weights
from gateway.core.admission import AdaptiveLimit
from gateway.core.budget import Budgets
from gateway.core.clock import Clock
from gateway.core.hedging import HedgeAllowance
from gateway.core.query import QueryPicture, SearchQuery
from gateway.core.shard_health import ShardHealth
from gateway.flows.encode import EncodeQuery
from gateway.flows.query_spaces import QuerySpace
from gateway.flows.scatter import AskShards
from gateway.flows.search import SearchFlow
from tests.gateway.fakes import (
    SPACE,
    TRACE,
    CountingMeter,
    DictCache,
    OneGeneration,
    PlainLinks,
    SearchingBus,
    ShownList,
    StoredItem,
    WordEncoder,
    text_item,
)

TOPICS = (
    "pumps need oil every month",
    "bees dance to tell the way to flowers",
    "a violin has four strings",
    "glaciers carve valleys over time",
    "sourdough bread rises overnight",
    "the tram leaves from platform nine",
    "red apples keep longer in a cellar",
    "a kite needs steady wind",
    "clay pots dry before the kiln",
)


def corpus() -> list[StoredItem]:
    """A few documents of two chunks each, spread over all shards."""
    return [
        text_item(f"doc-{n}", f"t{chunk}", text if chunk == 0 else f"{text} and more about it")
        for n, text in enumerate(TOPICS)
        for chunk in (0, 1)
    ]


@dataclass
class OneSpace:
    """The space of all generations."""

    space: QuerySpace

    def of(self, space_id: str) -> QuerySpace:
        self.space.space.require(space_id)
        return self.space


@dataclass
class Search:
    """The flow and everything around it."""

    clock: Clock
    bus: SearchingBus = field(default_factory=lambda: SearchingBus(corpus()))
    encoder: WordEncoder = field(default_factory=WordEncoder)
    cache: DictCache = field(default_factory=DictCache)
    generations: OneGeneration = field(default_factory=OneGeneration)
    meter: CountingMeter = field(default_factory=CountingMeter)
    shown: ShownList = field(default_factory=ShownList)
    hedge_share: float = 0.05
    preferred_group: int = 0
    max_at_once: int = 64
    variants: Collection[str] = ("full",)

    def __post_init__(self) -> None:
        self.health = ShardHealth(self.clock.monotonic_s, answer_within_s=Budgets().shard_deadline_s)
        shards = AskShards(
            self.bus,
            self.health,
            HedgeAllowance(self.hedge_share),
            self.clock,
            self.meter,
            preferred_group=self.preferred_group,
        )
        self.admission = AdaptiveLimit(
            least=1, most=self.max_at_once, slow_s=0.150, monotonic_s=self.clock.monotonic_s
        )
        self.flow = SearchFlow(
            spaces=OneSpace(QuerySpace(SPACE, EncodeQuery(self.encoder, self.clock), frozenset(self.variants))),
            shards=shards,
            bus=self.bus,
            cache=self.cache,
            generations=self.generations,
            links=PlainLinks(),
            meter=self.meter,
            shown=self.shown,
            clock=self.clock,
            budgets=Budgets(),
            fresh_s=300.0,
            cache_wait_s=0.010,
            admission=self.admission,
        )

    async def words(self, words: str, *, k: int = 5, weights: Weights | None = None) -> SearchResponse:
        """Search for words."""
        query = SearchQuery(words=words, k=k, weights=weights or Weights())
        return await self.flow.search(query, trace=TRACE)


def picture(seed: int = 1) -> QueryPicture:
    """A small random picture."""
    rng = np.random.default_rng(seed)
    return QueryPicture(
        rng.integers(0, 256, (8, 8, 3), dtype=np.uint8), sha256=f"{seed:064x}", space_id=SPACE.space_id
    )
