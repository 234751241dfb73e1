"""Asks one Zipf log of a cache as a gateway does: look up, and on a miss keep the answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Hashable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from contracts.items import ItemKind
from contracts.search import ShardHit
from gateway.clients.answer_cache import RedisAnswerCache
from gateway.core.asked_before import AskedBefore
from gateway.core.cached_answer import CachedAnswer
from gateway.core.clock import Clock
from runtime.telemetry import Metrics

_KEPT_S = 86_400.0
_HITS = 10
_TEXT_CHARS = 1_600
_TEXT: ItemKind = "text"


@dataclass(frozen=True, slots=True)
class Log:
    """A log of requests.

    Args:
        rate: requests a second.
        fresh_s: how long an answer counts as fresh.
        distinct: queries there are; the one of rank r is asked in proportion to 1/r.
        room: Redis' bound of memory.
        admits_all: what a cache without admission would do.
    """

    name: str
    rate: float
    fresh_s: float
    distinct: int
    room: str
    admits_all: bool = False


@dataclass(slots=True)
class Outcome:
    """What came of a log.

    Args:
        unbounded: hits of a cache that keeps everything for `fresh_s`, on the same requests at the same times.
        hit_s: seconds of every look-up that was a hit.
        behind_s: how late a request was asked at most; of no meaning where the clock goes by the log.
    """

    log: Log
    requests: int = 0
    hits: int = 0
    unbounded: int = 0
    not_admitted: int = 0
    behind_s: float = 0.0
    hit_s: list[float] = field(default_factory=list)

    def row(self) -> list[str]:
        """A line of the table."""
        p50, p99 = (np.quantile(self.hit_s, q) * 1000 for q in (0.5, 0.99))
        rate, best = self.hits / self.requests, self.unbounded / self.requests
        return [
            self.log.name,
            f"{rate:.3f}",
            f"{best:.3f}",
            f"{rate / best:.3f}",
            f"{self.not_admitted:,}",
            f"{p50:.2f}",
            f"{p99:.2f}",
            f"{self.behind_s:.2f}",
        ]


async def ask(url: str, log: Log, requests: int, seed: int, *, in_real_time: bool) -> Outcome:
    """Ask a log of the cache at `url`: each request at its own time, or as soon as the one before is answered,
    with a clock that goes by the log."""
    outcome = Outcome(log)
    stored: dict[int, float] = {}
    began = time.monotonic()

    def now_s() -> float:
        return time.monotonic() - began if in_real_time else outcome.requests / log.rate

    clock = Clock(now_s, now_s)
    metrics = Metrics()
    asked = _Everything() if log.admits_all else AskedBefore()
    cache = RedisAnswerCache(url, metrics, clock, kept_s=_KEPT_S, asked=asked)
    for number, query in enumerate(zipf(log.distinct, requests, seed).tolist()):
        early = number / log.rate - now_s()
        if in_real_time and early > 0:
            await asyncio.sleep(early)
        outcome.behind_s = max(outcome.behind_s, -early)
        known = stored.get(query)
        outcome.unbounded += known is not None and now_s() - known < log.fresh_s
        if known is None or now_s() - known >= log.fresh_s:
            stored[query] = now_s()
        await _one(cache, query, log, outcome, now_s())
    outcome.not_admitted = int(
        metrics.registry.get_sample_value("trireme_cache_writes_total", {"outcome": "not_admitted"}) or 0
    )
    await cache.close()
    return outcome


async def _one(cache: RedisAnswerCache, query: int, log: Log, outcome: Outcome, now_s: float) -> None:
    key = f"search:bench:{query}"
    began = time.monotonic()
    answer = await cache.get(key)
    took_s = time.monotonic() - began
    if answer is not None and answer.age_s(now_s) < log.fresh_s:
        outcome.hits += 1
        outcome.hit_s.append(took_s)
    else:
        cache.put(key, _answer(query, now_s))
    outcome.requests += 1


def zipf(distinct: int, requests: int, seed: int) -> NDArray[np.int64]:
    """Ranks of queries, int64 [requests], in proportion to 1/rank."""
    weights = 1.0 / np.arange(1, distinct + 1)
    return np.random.default_rng(seed).choice(distinct, requests, p=weights / weights.sum())


def _answer(query: int, now_s: float) -> CachedAnswer:
    """An answer of a usual size: ten hits with texts, about 20 KB (docs/benchmarks/capacity.md)."""
    text = f"{query} ".ljust(_TEXT_CHARS, "x")
    hits = tuple(_hit(f"{query}-{n}", text) for n in range(_HITS))
    return CachedAnswer(
        tenant="bench",
        stored_ms=int(now_s * 1000),
        hits=hits,
        n_shards=3,
        variant="full",
        generation="bench",
    )


def _hit(doc_id: str, text: str) -> ShardHit:
    return ShardHit(
        doc_id=doc_id,
        version=1,
        item_id="t0",
        kind=_TEXT,
        score=0.5,
        text_score=0.5,
        image_score=0.0,
        collection="bench",
        source_key=f"{doc_id}.txt",
        content_type="text/plain",
        text=text,
        added_ms=0,
    )


class _Everything(AskedBefore):
    """Says of every query that it was asked before."""

    def note(self, key: Hashable, now_s: float) -> bool:
        del key, now_s
        return True
