"""Puts the search together."""

from contracts.search import CPU_GROUP, PRIMARY_GROUP
from gateway.clients.answer_cache import RedisAnswerCache
from gateway.clients.generation_watch import GenerationWatch
from gateway.clients.meter import PrometheusMeter
from gateway.clients.reply_bus import ReplyBus
from gateway.clients.spaces import OpenedSpaces
from gateway.clients.touches import KafkaTouches
from gateway.core.admission import AdaptiveLimit
from gateway.core.clock import Clock
from gateway.core.hedging import HedgeAllowance
from gateway.core.links import Links
from gateway.core.shard_health import ShardHealth
from gateway.flows.scatter import AskShards
from gateway.flows.search import SearchFlow
from gateway.settings import GatewaySettings


def open_search(
    settings: GatewaySettings,
    spaces: OpenedSpaces,
    bus: ReplyBus,
    cache: RedisAnswerCache,
    generations: GenerationWatch,
    links: Links,
    meter: PrometheusMeter,
    touches: KafkaTouches,
    clock: Clock,
) -> SearchFlow:
    """The search of a gateway over its clients, with the settings' budgets and limits."""
    shard_health = ShardHealth(clock.monotonic_s, answer_within_s=settings.shard_deadline_ms / 1000)
    shards = AskShards(
        bus,
        shard_health,
        HedgeAllowance(settings.hedge_share),
        clock,
        meter,
        preferred_group=preferred_group(settings),
    )
    return SearchFlow(
        spaces=spaces,
        shards=shards,
        bus=bus,
        cache=cache,
        generations=generations,
        links=links,
        meter=meter,
        shown=touches,
        clock=clock,
        budgets=settings.budgets(),
        fresh_s=settings.cache_fresh_s,
        cache_wait_s=settings.cache_wait_ms / 1000,
        admission=AdaptiveLimit(
            least=settings.least_searches,
            most=settings.max_searches,
            slow_s=settings.slow_search_ms / 1000,
            monotonic_s=clock.monotonic_s,
        ),
    )


def preferred_group(settings: GatewaySettings) -> int:
    """The replica group that is asked first."""
    return CPU_GROUP if settings.search_group == "cpu" else PRIMARY_GROUP
