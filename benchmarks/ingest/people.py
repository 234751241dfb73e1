"""What people notice: how long until an uploaded picture is searchable, and how searches fare meanwhile."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import aiohttp
import msgspec

from benchmarks.ingest.corpus import picture_file
from benchmarks.percentiles import percentile
from client.client import TriremeClient

_UPLOAD_TIMEOUT_S = 60.0
LIMIT_MS = 200.0


@dataclass(slots=True)
class Uploads:
    """Pictures handed in one after the other, in seconds until each was searchable.

    Args:
        not_found: pictures that a search for themselves did not find right afterwards.
    """

    seconds: list[float] = field(default_factory=list)
    not_found: int = 0

    def figures(self) -> dict[str, float]:
        """What a table shows."""
        return {
            "uploads": len(self.seconds),
            "p50_s": percentile(self.seconds, 50),
            "p99_s": percentile(self.seconds, 99),
            "worst_s": max(self.seconds, default=float("nan")),
            "not_found": self.not_found,
        }


@dataclass(slots=True)
class Searches:
    """Searches sent at a fixed rate, whether or not earlier ones were answered.

    Args:
        full: of the answers, those of all shards within `LIMIT_MS` of being sent, as the caller saw it.
    """

    total_ms: list[float] = field(default_factory=list)
    full: int = 0
    full_late: int = 0
    errors: int = 0
    degraded: int = 0

    def figures(self) -> dict[str, float]:
        """What a table shows."""
        n = len(self.total_ms) + self.errors
        return {
            "searches": n,
            "full_in_time": self.full / n if n else float("nan"),
            "full_but_late": self.full_late / n if n else float("nan"),
            "errors": self.errors,
            "degraded": self.degraded,
            "p50_ms": percentile(self.total_ms, 50),
            "p99_ms": percentile(self.total_ms, 99),
        }


async def upload_pictures(
    url: str, seed: str, uploads: Uploads, stop: asyncio.Event, *, most: int, pause_s: float
) -> None:
    """Upload new pictures until `stop`, at most so many, each once the one before is searchable."""
    rng = random.Random(seed)

    def one(number: int) -> tuple[float, bool]:
        source = picture_file(f"mine-{seed}-{number}", rng)
        with TriremeClient(url, timeout_s=_UPLOAD_TIMEOUT_S) as client:
            began = time.perf_counter()
            view = client.upload(
                source.data, source.name, content_type=source.content_type, wait=True, wait_s=_UPLOAD_TIMEOUT_S
            )
            waited_s = time.perf_counter() - began
            if view.state != "indexed":
                return float("inf"), False
            found = client.search(None, image=source.data, k=10)
            return waited_s, any(hit.doc_id == view.doc_id for hit in found.hits)

    for number in range(most):
        if stop.is_set():
            return
        waited_s, found = await asyncio.to_thread(one, number)
        uploads.seconds.append(waited_s)
        uploads.not_found += not found
        await asyncio.sleep(pause_s)


async def search_steadily(
    url: str, questions: Iterator[str], searches: Searches, stop: asyncio.Event, *, per_s: float
) -> None:
    """Ask new questions at a fixed rate until `stop`."""
    async with (
        aiohttp.ClientSession(url, timeout=aiohttp.ClientTimeout(total=10.0)) as client,
        asyncio.TaskGroup() as tasks,
    ):
        while not stop.is_set():
            tasks.create_task(_search(client, next(questions), searches))
            await asyncio.sleep(1 / per_s)


async def _search(client: aiohttp.ClientSession, question: str, searches: Searches) -> None:
    began = time.perf_counter()
    try:
        async with client.post("/v1/search", json={"query": question, "k": 10}) as response:
            data, status = await response.read(), response.status
    except (aiohttp.ClientError, TimeoutError):
        searches.errors += 1
        return
    waited_ms = (time.perf_counter() - began) * 1000
    if status != 200:
        searches.errors += 1
        return
    body = msgspec.json.decode(data)
    searches.total_ms.append(waited_ms)
    searches.degraded += bool(body.get("degraded"))
    if body["coverage"]["answered"] == body["coverage"]["of"]:
        searches.full += waited_ms <= LIMIT_MS
        searches.full_late += waited_ms > LIMIT_MS
