"""Remembers vectors by the digest of what they were made of, so that the same content is not embedded again.

A view like all that Redis holds: it may be lost or be away, and the vectors are computed.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import redis.asyncio as aioredis
from redis.exceptions import RedisError

from contracts.errors import DependencyDown
from runtime.breaker import CircuitBreaker
from runtime.telemetry import get_logger

_log = get_logger(__name__)

_WAIT_S = 0.25
_DIGEST_BYTES = 32
_PREFIX = "vector:"
_FORGET_WAIT_S = 5.0
_AT_ONCE = 500
TTL_S = 20 * 3600
"""Shorter than the day within which the bytes of a deleted document leave the index."""


class VectorCache(Protocol):
    """Where vectors are remembered. Neither method raises or waits long."""

    async def get(self, digests: Sequence[bytes]) -> dict[bytes, bytes]:
        """The vectors that are remembered, by digest."""
        ...

    async def put(self, vectors: Mapping[bytes, bytes]) -> None:
        """Remember vectors by digest."""
        ...


class NoVectorCache:
    """Remembers nothing."""

    async def get(self, digests: Sequence[bytes]) -> dict[bytes, bytes]:
        """See `VectorCache.get`."""
        del digests
        return {}

    async def put(self, vectors: Mapping[bytes, bytes]) -> None:
        """See `VectorCache.put`."""


class RedisVectorCache:
    """A table of `rows` places in Redis; a digest has one place, and whoever comes later takes it.

    So the memory is bounded whatever else Redis holds and however it evicts: about 1.8 kB a row of 384 floats.

    Args:
        rows: places in the table.
        clock: monotonic seconds.
    """

    def __init__(self, url: str, *, rows: int, clock: Callable[[], float]) -> None:
        self._redis: Any = aioredis.from_url(url, socket_timeout=_WAIT_S, socket_connect_timeout=_WAIT_S)
        self._breaker = CircuitBreaker("redis", failures=3, reset_s=5.0, clock=clock)
        self._rows = rows

    @property
    def is_left_alone(self) -> bool:
        """Whether Redis did not answer a moment ago and is not asked for now."""
        return self._breaker.state == "open"

    async def get(self, digests: Sequence[bytes]) -> dict[bytes, bytes]:
        """See `VectorCache.get`."""
        if not digests or not self._breaker.allow():
            return {}
        try:
            values = await self._redis.mget([self._place(one) for one in digests])
        except (RedisError, OSError, TimeoutError):
            self._failed()
            return {}
        self._breaker.succeeded()
        return {
            one: value[_DIGEST_BYTES:]
            for one, value in zip(digests, values, strict=True)
            if value is not None and value[:_DIGEST_BYTES] == one
        }

    async def put(self, vectors: Mapping[bytes, bytes]) -> None:
        """See `VectorCache.put`."""
        if not vectors or not self._breaker.allow():
            return
        try:
            async with self._redis.pipeline(transaction=False) as pipeline:
                for one, vector in vectors.items():
                    pipeline.set(self._place(one), one + vector, ex=TTL_S)
                await pipeline.execute()
        except (RedisError, OSError, TimeoutError):
            self._failed()
        else:
            self._breaker.succeeded()

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    def _place(self, one: bytes) -> str:
        return f"{_PREFIX}{int.from_bytes(one[:8], 'big') % self._rows}"

    def _failed(self) -> None:
        self._breaker.failed()
        _log.warning("vector_cache_away")


async def forget_vectors(url: str) -> int:
    """Empty the table, of whichever document the vectors are; says how many there were.

    Raises:
        DependencyDown: Redis does not answer.
    """
    client: Any = aioredis.from_url(url, socket_timeout=_FORGET_WAIT_S, socket_connect_timeout=_FORGET_WAIT_S)
    forgotten = 0
    try:
        async for key in client.scan_iter(match=f"{_PREFIX}*", count=_AT_ONCE):
            forgotten += int(await client.delete(key))
    except (RedisError, OSError, TimeoutError) as exc:
        raise DependencyDown("redis") from exc
    finally:
        await client.aclose()
    return forgotten
