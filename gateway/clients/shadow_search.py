"""A search for shadows: the same encoders, bus and indexes, and nothing else that answers depend on."""

import asyncio
from collections.abc import Iterable

from gateway.clients.experiment_meter import SilentMeter
from gateway.core.admission import AdaptiveLimit
from gateway.core.budget import Budgets
from gateway.core.cached_answer import CachedAnswer
from gateway.core.clock import Clock
from gateway.core.hedging import HedgeAllowance
from gateway.core.shard_health import ShardHealth
from gateway.flows.ports import Generations, HitLinks, ShardBus
from gateway.flows.query_spaces import QuerySpaces
from gateway.flows.scatter import AskShards
from gateway.flows.search import SearchFlow

_AT_ONCE = 4


class NoCache:
    """A cache that keeps nothing."""

    def look_up(self, key: str) -> "asyncio.Task[CachedAnswer | None]":
        """Nothing was kept under any key."""
        del key
        return asyncio.create_task(_nothing())

    def put(self, key: str, answer: CachedAnswer) -> None:
        """Nothing is kept."""

    def available(self) -> bool:
        """It is as it should be."""
        return True


class NobodySees:
    """Takes note of documents that were found and not shown: of none."""

    def note(self, generation: str, n_shards: int, doc_ids: Iterable[str]) -> None:
        """Nothing was shown."""


def shadow_search(
    budgets: Budgets,
    *,
    preferred_group: int,
    spaces: QuerySpaces,
    bus: ShardBus,
    generations: Generations,
    links: HitLinks,
    clock: Clock,
) -> SearchFlow:
    """A search with places, breakers and hedges of its own, that nobody sees and no metric of searches counts."""
    health = ShardHealth(clock.monotonic_s, answer_within_s=budgets.shard_deadline_s)
    meter = SilentMeter()
    return SearchFlow(
        spaces=spaces,
        shards=AskShards(bus, health, HedgeAllowance(0.0), clock, meter, preferred_group=preferred_group),
        bus=bus,
        cache=NoCache(),
        generations=generations,
        links=links,
        meter=meter,
        shown=NobodySees(),
        clock=clock,
        budgets=budgets,
        fresh_s=0.0,
        cache_wait_s=0.001,
        admission=AdaptiveLimit(
            least=1, most=_AT_ONCE, slow_s=budgets.shard_deadline_s, monotonic_s=clock.monotonic_s
        ),
    )


async def _nothing() -> None:
    return None
