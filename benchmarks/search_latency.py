"""Latency of `POST /v1/search` through the gateway, split by stage, at several numbers of concurrent callers.

Closed loop: each caller sends its next question when it has the answer. Every question is new, so nothing but
the explicitly cached run is served from the cache. `rest` is what the caller waited beyond encode, Kafka and
Faiss: HTTP, validation, merging, JSON, and the client itself.
"""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

import aiohttp
import msgspec

from benchmarks.percentiles import percentile

STAGES = ("encode", "kafka", "faiss")


@dataclass(slots=True)
class Sample:
    """What one run of searches gave. All times in milliseconds as the caller saw them."""

    callers: int
    total_ms: list[float] = field(default_factory=list)
    stage_ms: dict[str, list[float]] = field(default_factory=lambda: {stage: [] for stage in (*STAGES, "rest")})
    served_by: dict[str, int] = field(default_factory=dict)
    full_coverage: int = 0
    errors: int = 0
    wall_s: float = 0.0

    def row(self) -> dict[str, float]:
        """Figures of one table row."""
        n = len(self.total_ms)
        row = {
            "callers": float(self.callers),
            "searches": float(n),
            "errors": float(self.errors),
            "per_s": n / self.wall_s if self.wall_s else 0.0,
            "full_coverage": self.full_coverage / n if n else 0.0,
            "p50_ms": percentile(self.total_ms, 50),
            "p95_ms": percentile(self.total_ms, 95),
            "p99_ms": percentile(self.total_ms, 99),
        }
        for stage, values in self.stage_ms.items():
            row[f"{stage}_p50_ms"] = percentile(values, 50)
            row[f"{stage}_p95_ms"] = percentile(values, 95)
            row[f"{stage}_p99_ms"] = percentile(values, 99)
        return row


async def measure(url: str, questions: Iterator[str], *, callers: int, searches: int, warm_up: int) -> Sample:
    """Run `searches` searches with `callers` concurrent callers after `warm_up` uncounted ones."""
    sample = Sample(callers)
    async with _session(url, callers) as client:
        for question in islice(questions, warm_up):
            await search_once(client, question, Sample(1))
        pending = iter(list(islice(questions, searches)))
        started = time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(callers):
                tasks.create_task(_caller(client, pending, sample))
        sample.wall_s = time.perf_counter() - started
    return sample


async def measure_cached(url: str, question: str, *, searches: int) -> Sample:
    """One caller asks the same question again and again; only answers served by the cache are counted."""
    sample = Sample(1)
    async with _session(url, 1) as client:
        for _ in range(5):
            await search_once(client, question, Sample(1))
        started = time.perf_counter()
        for _ in range(searches):
            await search_once(client, question, sample, only="cache")
        sample.wall_s = time.perf_counter() - started
    return sample


def _session(url: str, callers: int) -> aiohttp.ClientSession:
    """Kept-open connections. aiohttp, because it costs the two cores that the server needs less than httpx."""
    connector = aiohttp.TCPConnector(limit=callers)
    return aiohttp.ClientSession(url, connector=connector, timeout=aiohttp.ClientTimeout(total=10.0))


async def _caller(client: aiohttp.ClientSession, pending: Iterator[str], sample: Sample) -> None:
    for question in pending:
        await search_once(client, question, sample)


async def search_once(
    client: aiohttp.ClientSession, question: str, sample: Sample, *, only: str | None = None
) -> None:
    """One search into the sample; with `only`, answers that something else served are left out."""
    started = time.perf_counter()
    async with client.post("/v1/search", json={"query": question, "k": 10}) as response:
        data = await response.read()
        status = response.status
    waited_ms = (time.perf_counter() - started) * 1000
    if status != 200:
        sample.errors += 1
        return
    body = msgspec.json.decode(data)
    if only is not None and body["served_by"] != only:
        return
    timings = body["timings_ms"]
    sample.total_ms.append(waited_ms)
    for stage in STAGES:
        sample.stage_ms[stage].append(timings.get(stage, 0.0))
    sample.stage_ms["rest"].append(waited_ms - sum(timings.get(stage, 0.0) for stage in STAGES))
    sample.served_by[body["served_by"]] = sample.served_by.get(body["served_by"], 0) + 1
    sample.full_coverage += body["coverage"]["answered"] == body["coverage"]["of"]
