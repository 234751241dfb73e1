"""Quotas over a real Redis: shared by gateways, equal to the pure rule, and of no weight when Redis is away."""

import random
import time
from collections.abc import AsyncIterator

import pytest
import redis.asyncio as redis

from contracts.errors import Overloaded
from gateway.clients.quotas import _DRAW, Quotas
from gateway.core.access import Caller
from gateway.core.clock import Clock
from gateway.core.quota import WINDOW_MS, draw
from runtime.telemetry import Metrics

pytestmark = pytest.mark.integration


def new_quotas(url: str, *, requests: int = 0, tokens: int = 0) -> Quotas:
    clock = Clock(time.monotonic, time.time)
    return Quotas(url, Metrics(), clock, requests_per_minute=requests, tokens_per_minute=tokens)


@pytest.fixture
async def two(redis_url: str) -> AsyncIterator[tuple[Quotas, Quotas]]:
    quotas = new_quotas(redis_url, requests=6, tokens=100), new_quotas(redis_url, requests=6, tokens=100)
    yield quotas
    for each in quotas:
        await each.close()


async def admitted(quotas: Quotas, caller: Caller) -> bool:
    try:
        await quotas.admit(caller)
    except Overloaded as refused:
        return not 1 <= refused.retry_after_s <= 60
    return True


async def test_two_gateways_share_what_a_caller_may_ask(two: tuple[Quotas, Quotas]) -> None:
    caller = Caller(name="shared")
    let_in = [await admitted(two[turn % 2], caller) for turn in range(10)]
    assert let_in == [True] * 6 + [False] * 4
    assert await admitted(two[0], Caller(name="another"))
    assert await admitted(two[0], Caller(name="shared", tenant="acme")), "names are of a tenant"


async def test_a_keys_own_quota_counts_before_the_default(two: tuple[Quotas, Quotas]) -> None:
    few, none = Caller(name="few", requests_per_minute=1), Caller(name="none", requests_per_minute=0)
    assert [await admitted(two[0], few) for _ in range(2)] == [True, False]
    assert all([await admitted(two[0], none) for _ in range(20)])


async def test_tokens_that_were_used_refuse_the_next_request(two: tuple[Quotas, Quotas]) -> None:
    caller = Caller(name="writer", requests_per_minute=0)
    await two[0].used(caller, 90)
    assert await admitted(two[1], caller)
    await two[0].used(caller, 90)
    assert not await admitted(two[1], caller)


async def test_the_script_in_redis_is_the_pure_rule(redis_url: str) -> None:
    client = redis.Redis.from_url(redis_url)
    # The clock of Redis is taken out of it, so that both see the same times.
    script = client.register_script(
        _DRAW.replace("local time = redis.call('TIME')", "").replace(
            "time[1] * 1000 + time[2] / 1000", "tonumber(ARGV[5])"
        )
    )
    rng, empty_ms, now_ms = random.Random(3), 0.0, 1_795_000_000_000.0
    for _ in range(300):
        now_ms += rng.expovariate(1 / 4000)
        cost, force = rng.randint(0, 12), rng.random() < 0.2
        expected = draw(empty_ms, now_ms, cost, 60, force=force)
        empty_ms = expected.empty_ms
        waited = await script(keys=["quota:test"], args=[cost, 60, WINDOW_MS, int(force), repr(now_ms)])
        # Lua writes numbers with 14 digits: a tenth of a millisecond of a Unix time.
        assert float(waited) == pytest.approx(expected.wait_ms, abs=1.0)
    await client.aclose()


async def test_without_redis_each_gateway_counts_for_itself() -> None:
    quotas = new_quotas("redis://127.0.0.1:1/0", requests=3)
    caller = Caller(name="alone")
    assert [await admitted(quotas, caller) for _ in range(5)] == [True] * 3 + [False] * 2
    await quotas.close()
