"""Keys that can be used once, in Redis: `SET NX` with a lifetime."""

import asyncio
from typing import Any

import redis.asyncio as redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from contracts.errors import DependencyDown

_TIMEOUT_S = 0.5
_CONNECTIONS = 32
_PREFIX = "once:"


class RedisOneUse:
    """Fulfils `gateway.flows.experiment_ports.OneUse`. Use it from one event loop."""

    def __init__(self, url: str) -> None:
        self._redis: Any = redis.Redis.from_url(
            url,
            max_connections=_CONNECTIONS,
            socket_timeout=_TIMEOUT_S,
            socket_connect_timeout=_TIMEOUT_S,
            # A write that is tried twice would find its own key.
            retry=Retry(NoBackoff(), 0),
        )

    async def use(self, key: str, *, ttl_s: int) -> bool:
        """False when the key was used within `ttl_s` before. Raises DependencyDown: Redis does not answer."""
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                return bool(await self._redis.set(_PREFIX + key, b"1", ex=ttl_s, nx=True))
        except (RedisError, OSError, TimeoutError) as exc:
            raise DependencyDown("redis", "Feedback cannot be taken at the moment. Try again.") from exc

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()
