"""Callers' quotas, shared by all gateways through Redis. Without Redis each gateway counts for itself."""

import asyncio
from typing import Any

import redis.asyncio as redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from contracts.errors import Overloaded
from contracts.metrics import QUOTA_DRAWS
from gateway.core.access import Caller
from gateway.core.clock import Clock
from gateway.core.quota import WINDOW_MS, Kind, LocalQuotas
from runtime.breaker import CircuitBreaker
from runtime.telemetry import Metrics

# `gateway.core.quota.draw` in one step for all gateways, by the clock of Redis; a test compares the two.
_DRAW = """
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local empty = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), now)
local after = empty + tonumber(ARGV[1]) * tonumber(ARGV[3]) / tonumber(ARGV[2])
local over = after - now - tonumber(ARGV[3])
if over > 0 and ARGV[4] == '0' then return tostring(over) end
redis.call('SET', KEYS[1], tostring(after), 'PX', math.max(1, math.ceil(after - now)))
return '0'
"""
_WITHIN_S = 0.010
_CONNECTIONS = 32
_FAILURES = 3
_RESET_S = 1.0
_ERRORS = (RedisError, OSError, TimeoutError)


class Quotas:
    """Draws on the buckets of callers. Use it from one event loop.

    Args:
        requests_per_minute, tokens_per_minute: of a key that has no quota of its own; 0 for no limit.
    """

    def __init__(
        self, url: str, metrics: Metrics, clock: Clock, *, requests_per_minute: int, tokens_per_minute: int
    ) -> None:
        self._redis: Any = redis.Redis.from_url(
            url,
            max_connections=_CONNECTIONS,
            socket_timeout=_WITHIN_S * 10,
            socket_connect_timeout=_WITHIN_S * 10,
            retry=Retry(NoBackoff(), 0),
        )
        self._script = self._redis.register_script(_DRAW)
        self._draws = metrics.counter(QUOTA_DRAWS)
        self._clock = clock
        self._local = LocalQuotas()
        self._default: dict[Kind, int] = {"requests": requests_per_minute, "tokens": tokens_per_minute}
        self.breaker = CircuitBreaker("quotas", failures=_FAILURES, reset_s=_RESET_S, clock=clock.monotonic_s)

    async def admit(self, caller: Caller) -> None:
        """Count a request.

        Raises:
            Overloaded: the caller's requests of this minute are used up, or more tokens than it has were used.
        """
        await self._require(caller, "requests", 1)
        # What was used is known afterwards: this asks only whether it was too much.
        await self._require(caller, "tokens", 0)

    async def used(self, caller: Caller, tokens: int) -> None:
        """Count tokens that were read and written for a caller; while they are over, requests are refused."""
        await self._draw(caller, "tokens", tokens, force=True)

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    async def _require(self, caller: Caller, kind: Kind, cost: int) -> None:
        wait_s = await self._draw(caller, kind, cost) / 1000
        if wait_s > 0:
            self._draws.labels(kind, "refused").inc()
            refusal = f"This key has used up its {kind} for the moment."
            raise Overloaded(refusal, retry_after_s=max(1.0, wait_s))

    async def _draw(self, caller: Caller, kind: Kind, cost: int, *, force: bool = False) -> float:
        own = caller.requests_per_minute if kind == "requests" else caller.tokens_per_minute
        per_minute = self._default[kind] if own is None else own
        if not per_minute:
            return 0.0
        bucket = f"quota:{kind}:{caller.tenant}:{caller.name}"
        if self.breaker.allow():
            try:
                async with asyncio.timeout(_WITHIN_S):
                    waited = await self._script(keys=[bucket], args=[cost, per_minute, WINDOW_MS, int(force)])
            except _ERRORS:
                self.breaker.failed()
            else:
                self.breaker.succeeded()
                self._draws.labels(kind, "shared").inc()
                return float(waited)
        self._draws.labels(kind, "local").inc()
        return self._local.draw(bucket, self._clock.unix_s() * 1000, cost, per_minute, force=force)
