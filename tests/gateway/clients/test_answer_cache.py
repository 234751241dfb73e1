"""The answer cache over a real Redis: what it keeps, and how little a broken Redis costs."""

import asyncio
import itertools
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import redis.asyncio as redis

from contracts.gone import gone_key
from contracts.metrics import CACHE_LOOKUPS, CACHE_WRITES
from gateway.clients.answer_cache import RedisAnswerCache
from gateway.core.cached_answer import CachedAnswer
from gateway.core.clock import Clock
from runtime.telemetry import Metrics
from tests.gateway.conftest import redis_server, wait_until_ready
from tests.gateway.fakes import text_item
from tests.stack.servers.conftest import started

pytestmark = pytest.mark.integration

# A look-up ends after 100 ms; the rest is for a busy machine that lets the loop wait.
WAITED_AT_MOST_S = 0.25


def answer(name: str, n_hits: int = 3) -> CachedAnswer:
    hits = tuple(text_item(f"{name}-{n}", "t0", f"{name} {n}", version=10).hit for n in range(n_hits))
    return CachedAnswer(tenant="default", stored_ms=1_000, hits=hits, n_shards=3, variant="full", generation="g")


def new_cache(url: str, metrics: Metrics | None = None) -> RedisAnswerCache:
    clock = Clock(time.monotonic, time.time)
    return RedisAnswerCache(url, metrics or Metrics(), clock, kept_s=86_400)


@pytest.fixture
async def cache(redis_url: str) -> AsyncIterator[RedisAnswerCache]:
    cache = new_cache(redis_url)
    await is_reached(cache)
    yield cache
    await cache.close()


async def is_reached(cache: RedisAnswerCache) -> None:
    """Ping until there is an answer; on a busy machine a single ping may be too late."""
    async with asyncio.timeout(10):
        while not await cache.ping():  # noqa: ASYNC110 - Redis tells nobody that it is there
            await asyncio.sleep(0.01)


async def reads(cache: RedisAnswerCache, key: str, expected: CachedAnswer | None) -> None:
    """Read until the cache says what is expected; a busy machine may make single reads miss."""
    async with asyncio.timeout(10):
        while await cache.get(key) != expected:  # noqa: ASYNC110 - Redis tells nobody of changes
            await asyncio.sleep(0.01)


async def test_an_answer_comes_back_as_it_was_kept(cache: RedisAnswerCache) -> None:
    assert await cache.get("search:default:none") is None
    cache.put("search:default:one", answer("one"))
    await reads(cache, "search:default:one", answer("one"))


async def test_answers_are_kept_for_a_day(cache: RedisAnswerCache, redis_url: str) -> None:
    cache.put("search:default:day", answer("day"))
    await reads(cache, "search:default:day", answer("day"))
    async with redis.Redis.from_url(redis_url) as client:
        assert 86_000 < await client.ttl("search:default:day") <= 86_400


async def test_hits_of_a_document_deleted_later_are_left_out(cache: RedisAnswerCache, redis_url: str) -> None:
    cache.put("search:default:gone", answer("gone"))
    await reads(cache, "search:default:gone", answer("gone"))
    async with redis.Redis.from_url(redis_url) as client:
        await client.set(gone_key("default", "gone-1"), "11")
    await reads(cache, "search:default:gone", answer("gone").without({"gone-1": 11}))


async def test_a_document_uploaded_again_after_its_delete_stays(cache: RedisAnswerCache, redis_url: str) -> None:
    async with redis.Redis.from_url(redis_url) as client:
        await client.set(gone_key("default", "again-0"), "9")
    cache.put("search:default:again", answer("again"))
    await reads(cache, "search:default:again", answer("again"))


async def test_what_cannot_be_read_is_a_miss(cache: RedisAnswerCache, redis_url: str) -> None:
    async with redis.Redis.from_url(redis_url) as client:
        await client.set("search:default:odd", b"not an answer")
    assert await cache.get("search:default:odd") is None


async def test_a_delete_with_an_odd_version_makes_the_answer_a_miss(
    cache: RedisAnswerCache, redis_url: str
) -> None:
    cache.put("search:default:odd-gone", answer("odd-gone"))
    await reads(cache, "search:default:odd-gone", answer("odd-gone"))
    async with redis.Redis.from_url(redis_url) as client:
        await client.set(gone_key("default", "odd-gone-1"), "eleven")
    assert await cache.get("search:default:odd-gone") is None
    assert cache.available()


async def test_lookups_are_counted_by_outcome(redis_url: str) -> None:
    metrics = Metrics()
    cache = new_cache(redis_url, metrics)
    await is_reached(cache)
    await cache.get("search:default:absent")
    cache.put("search:default:counted", answer("counted"))
    await reads(cache, "search:default:counted", answer("counted"))

    def counted(outcome: str) -> float:
        return metrics.registry.get_sample_value(f"{CACHE_LOOKUPS.name}_total", {"outcome": outcome}) or 0

    assert counted("miss") >= 1
    assert counted("hit") == 1
    await cache.close()


async def test_a_redis_that_hangs_costs_three_short_waits_and_then_nothing_until_it_is_back(
    tmp_path: Path,
) -> None:
    server = redis_server(tmp_path)
    with started(server.spec, server.log) as process:
        await asyncio.to_thread(wait_until_ready, server, process)
        cache = new_cache(server.address)
        await is_reached(cache)
        cache.put("search:default:a", answer("a"))
        cache.put("search:default:b", answer("b"))
        await reads(cache, "search:default:b", answer("b"))
        os.kill(process.pid, signal.SIGSTOP)
        try:
            for _ in range(3):
                began_s = time.monotonic()
                assert await cache.get("search:default:a") is None
                assert time.monotonic() - began_s < WAITED_AT_MOST_S
            assert not cache.available()
            began_s = time.monotonic()
            assert [await cache.get("search:default:a") for _ in range(100)] == [None] * 100
            assert time.monotonic() - began_s < WAITED_AT_MOST_S
        finally:
            os.kill(process.pid, signal.SIGCONT)
        # Interrupted reads must not leave their answers behind for the next caller.
        for _ in range(20):
            await reads(cache, "search:default:b", answer("b"))
            await reads(cache, "search:default:a", answer("a"))
        assert cache.available()
        await cache.close()


async def test_a_redis_that_is_gone_is_a_miss_and_its_return_is_noticed(tmp_path: Path) -> None:
    server = redis_server(tmp_path)
    cache = new_cache(server.address)
    assert not await cache.ping()
    for _ in range(4):
        began_s = time.monotonic()
        assert await cache.get("search:default:a") is None
        assert time.monotonic() - began_s < WAITED_AT_MOST_S
    assert not cache.available()
    cache.put("search:default:a", answer("a"))
    with started(server.spec, server.log) as process:
        await asyncio.to_thread(wait_until_ready, server, process)
        await reads(cache, "search:default:a", None)
        async with asyncio.timeout(10):
            while not cache.available():
                await asyncio.sleep(0.05)
                await cache.get("search:default:a")
        cache.put("search:default:a", answer("a"))
        await reads(cache, "search:default:a", answer("a"))
        await cache.close()


async def test_a_nearly_full_redis_takes_in_only_what_was_asked_before(
    cache: RedisAnswerCache, redis_url: str
) -> None:
    metrics = Metrics()
    full = new_cache(redis_url, metrics)
    client = redis.Redis.from_url(redis_url)

    def count(outcome: str) -> float:
        return metrics.registry.get_sample_value(f"{CACHE_WRITES.name}_total", {"outcome": outcome}) or 0

    try:
        full.put("search:default:early", answer("early"))
        await reads(full, "search:default:early", answer("early"))
        assert (count("kept"), count("not_admitted")) == (1, 0)
        used = int((await client.info("memory"))["used_memory"])
        await client.config_set("maxmemory", int(used * 1.05))
        async with asyncio.timeout(20):
            for number in itertools.count():
                full.put(f"search:default:once-{number}", answer("once"))
                if count("not_admitted"):
                    break
                await asyncio.sleep(0.1)
        late = f"search:default:once-{number}"
        assert await full.get(late) is None
        full.put(late, answer("late"))
        await reads(full, late, answer("late"))
        assert count("not_admitted") == 1
    finally:
        await client.config_set("maxmemory", 64 * 2**20)
        await client.aclose()
        await full.close()
