"""Tells the gateways' caches which documents were deleted, so that remembered answers do not show them again."""

from collections.abc import Callable
from typing import Any, Protocol

import redis.asyncio as aioredis
from redis.exceptions import RedisError

from contracts.gone import GONE_TTL_S, gone_key
from runtime.breaker import CircuitBreaker
from runtime.telemetry import get_logger

_log = get_logger(__name__)

_WAIT_S = 0.25


class GoneList(Protocol):
    """Where deletes are noted for caches."""

    async def add(self, tenant: str, doc_id: str, version: int) -> None:
        """Note a delete. Never raises and never waits long: a cache is not worth a document's delay."""
        ...


class NoGoneList:
    """Notes nothing: for a system without a cache."""

    async def add(self, tenant: str, doc_id: str, version: int) -> None:
        """See `GoneList.add`."""

    async def close(self) -> None:
        """Nothing was opened."""


class RedisGoneList:
    """The list in Redis; left alone for a while when Redis does not answer.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, url: str, *, clock: Callable[[], float]) -> None:
        self._redis: Any = aioredis.from_url(url, socket_timeout=_WAIT_S, socket_connect_timeout=_WAIT_S)
        self._breaker = CircuitBreaker("redis", failures=3, reset_s=5.0, clock=clock)

    async def add(self, tenant: str, doc_id: str, version: int) -> None:
        """See `GoneList.add`."""
        if not self._breaker.allow():
            _log.warning("gone_not_noted", doc_id=doc_id)
            return
        try:
            await self._redis.set(gone_key(tenant, doc_id), str(version), ex=GONE_TTL_S)
        except (RedisError, OSError, TimeoutError):
            self._breaker.failed()
            _log.warning("gone_not_noted", doc_id=doc_id)
        else:
            self._breaker.succeeded()

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()
