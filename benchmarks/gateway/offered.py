"""Latency of searches against offered load, split by stage. Open loop: nobody waits for anybody."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator, Sequence

import aiohttp

from benchmarks.search_latency import Sample, measure, search_once

LOADS = (0.1, 0.25, 0.5, 0.75, 0.9)
_CALLERS = 4
_SEED = 20261127
_TIMEOUT_S = 10.0
_WARM_UP = 60


async def capacity(url: str, asked: Iterator[str], *, searches: int) -> Sample:
    """What a few callers get who wait for their answers."""
    return await measure(url, asked, callers=_CALLERS, searches=searches, warm_up=_WARM_UP)


async def against_load(
    url: str, asked: Iterator[str], per_s: Sequence[float], *, seconds: float
) -> list[tuple[float, Sample]]:
    """Each rate for so many seconds: searches asked a second, and what came of them."""
    connector, timeout = aiohttp.TCPConnector(limit=0), aiohttp.ClientTimeout(total=_TIMEOUT_S)
    samples = []
    async with aiohttp.ClientSession(url, connector=connector, timeout=timeout) as client:
        for rate in per_s:
            samples.append(await _offer(client, asked, rate, seconds))
            await asyncio.sleep(1.0)
    return samples


async def _offer(
    client: aiohttp.ClientSession, asked: Iterator[str], per_s: float, seconds: float
) -> tuple[float, Sample]:
    sample, rng, n_asked = Sample(0), random.Random(_SEED), 0
    began_s = at_s = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        while (at_s := at_s + rng.expovariate(per_s)) < began_s + seconds:
            await asyncio.sleep(max(0.0, at_s - time.perf_counter()))
            n_asked += 1
            tasks.create_task(_counted(client, next(asked), sample))
    sample.wall_s = time.perf_counter() - began_s
    return n_asked / seconds, sample


async def _counted(client: aiohttp.ClientSession, question: str, sample: Sample) -> None:
    try:
        await search_once(client, question, sample)
    except (aiohttp.ClientError, TimeoutError):
        sample.errors += 1
