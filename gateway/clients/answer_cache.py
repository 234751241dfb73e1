"""The answer cache in Redis: quick or not at all. Every failure is a miss, and a dead Redis is left alone.

While Redis has room every answer is kept, so that a question asked once is known when Kafka is away. Once it is
nearly full, only answers of questions that were asked before come in: the others would push out the hot ones.
"""

import asyncio
from typing import Any

import redis.asyncio as redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from contracts.codec import decode, encode
from contracts.errors import BadMessage
from contracts.gone import gone_key
from contracts.metrics import CACHE_LOOKUPS, CACHE_WRITES
from gateway.core.asked_before import AskedBefore
from gateway.core.cached_answer import CachedAnswer
from gateway.core.clock import Clock
from runtime.breaker import CircuitBreaker
from runtime.telemetry import Metrics

_FAILURES = 3
_RESET_S = 1.0
_CONNECTIONS = 128
_WRITES_WAITING = 64
_WRITE_TIMEOUT_S = 0.5
# No search waits for so long; a late answer may still help one whose encoders or shards fail.
_READ_TIMEOUT_S = 0.1
_READS_UNDER_WAY = 64
# Redis forgets keys from here on (`maxmemory`), and how often it is asked how full it is.
_CROWDED_SHARE = 0.9
_LOOK_AGAIN_S = 5.0
_ERRORS = (RedisError, OSError, TimeoutError)


class RedisAnswerCache:
    """Keeps answers for `kept_s`. Use it from one event loop.

    Args:
        asked: decides what a nearly full Redis takes in.
    """

    def __init__(
        self, url: str, metrics: Metrics, clock: Clock, *, kept_s: float, asked: AskedBefore | None = None
    ) -> None:
        self._redis: Any = redis.Redis.from_url(
            url,
            max_connections=_CONNECTIONS,
            socket_timeout=_WRITE_TIMEOUT_S,
            socket_connect_timeout=_WRITE_TIMEOUT_S,
            # A second try would come too late for a search, and a new one brings its own.
            retry=Retry(NoBackoff(), 0),
        )
        self._kept_s = max(1, int(kept_s))
        self._lookups = metrics.counter(CACHE_LOOKUPS)
        self._kept = metrics.counter(CACHE_WRITES)
        self._clock = clock
        self._asked = asked or AskedBefore()
        self._crowded = False
        self._looked_s = -_LOOK_AGAIN_S
        self._reads: set[asyncio.Task[CachedAnswer | None]] = set()
        self._writes: set[asyncio.Task[None]] = set()
        self.breaker = CircuitBreaker("redis", failures=_FAILURES, reset_s=_RESET_S, clock=clock.monotonic_s)

    def look_up(self, key: str) -> "asyncio.Task[CachedAnswer | None]":
        """`get`, begun at once; it ends by itself and soon, whether or not anyone waits for it."""
        task = asyncio.create_task(self.get(key))
        self._reads.add(task)
        task.add_done_callback(self._reads.discard)
        return task

    async def get(self, key: str) -> CachedAnswer | None:
        """What was kept, without hits of documents deleted meanwhile; None also when Redis fails or is slow."""
        if len(self._reads) > _READS_UNDER_WAY or not self.breaker.allow():
            self._lookups.labels("skipped").inc()
            return None
        try:
            async with asyncio.timeout(_READ_TIMEOUT_S):
                answer = await self._read(key)
        except _ERRORS:
            self.breaker.failed()
            self._lookups.labels("failed").inc()
            return None
        except (BadMessage, ValueError):
            answer = None  # Not written by us: the answer, or the version in a `gone` key.
        self.breaker.succeeded()
        self._lookups.labels("hit" if answer else "miss").inc()
        return answer

    def put(self, key: str, answer: CachedAnswer) -> None:
        """Keep an answer; returns at once. Dropped when Redis is left alone or too many writes wait; not admitted
        when Redis is nearly full and the question is new."""
        now_s = self._clock.monotonic_s()
        again = self._asked.note(key, now_s)
        if self.breaker.state == "open" or len(self._writes) >= _WRITES_WAITING:
            self._kept.labels("dropped").inc()
            return
        if now_s - self._looked_s >= _LOOK_AGAIN_S:
            self._looked_s = now_s
            self._behind(self._look_how_full())
        if self._crowded and not again:
            self._kept.labels("not_admitted").inc()
            return
        self._kept.labels("kept").inc()
        self._behind(self._redis.set(key, encode(answer), ex=self._kept_s))

    def available(self) -> bool:
        """False while Redis is left alone because it failed."""
        return self.breaker.state == "closed"

    async def ping(self) -> bool:
        """Whether Redis answers now; also opens the first connection before a search needs one."""
        try:
            async with asyncio.timeout(_WRITE_TIMEOUT_S):
                await self._redis.ping()
        except _ERRORS:
            return False
        return True

    async def close(self) -> None:
        """Finish the writes under way and close the connections."""
        if self._writes:
            await asyncio.wait(set(self._writes), timeout=_WRITE_TIMEOUT_S)
        await self._redis.aclose()

    async def _read(self, key: str) -> CachedAnswer | None:
        data = await self._redis.get(key)
        if data is None:
            return None
        answer = decode(CachedAnswer, data)
        doc_ids = list(dict.fromkeys(hit.doc_id for hit in answer.hits))
        if not doc_ids:
            return answer
        versions = await self._redis.mget([gone_key(answer.tenant, doc_id) for doc_id in doc_ids])
        gone = {doc_id: int(v) for doc_id, v in zip(doc_ids, versions, strict=True) if v is not None}
        return answer.without(gone)

    async def _look_how_full(self) -> None:
        """Learn whether Redis is about to forget keys. One without a bound never is."""
        memory = await self._redis.info("memory")
        bound = int(memory.get("maxmemory", 0))
        self._crowded = bound > 0 and int(memory["used_memory"]) >= _CROWDED_SHARE * bound

    def _behind(self, command: Any) -> None:
        async def write() -> None:
            try:
                async with asyncio.timeout(_WRITE_TIMEOUT_S):
                    await command
            except _ERRORS:
                self.breaker.failed()

        task = asyncio.create_task(write())
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)
