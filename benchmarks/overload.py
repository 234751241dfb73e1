"""What becomes of searches as the offered load passes what the machine can do: goodput, refusals, latency.

    python -m benchmarks.overload [--url http://127.0.0.1:8080] [--seconds 10] [--out result.json]

Open loop: questions come at their own times (Poisson, seeded), whether or not the ones before are answered. Every
question is new, so no cache helps. Goodput counts full answers that reached the caller within `WITHIN_MS`. The
capacity is what a closed loop of a few callers gets. Who asks shares the machine with who answers.
"""

import argparse
import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks.filled_stack import with_filled_stack
from benchmarks.machine import describe_machine
from benchmarks.percentiles import percentile
from benchmarks.questions import questions, read_prose

_CHECKOUT = Path(__file__).resolve().parent.parent
_SEED = 20261126
_CALLERS = 4
_LOADS = (0.5, 0.8, 1.0, 1.5, 2.0, 3.0)
_REST_S = 2.0
_TIMEOUT_S = 10.0
# The promise is 200 ms in the gateway; the way to and from it, on a machine that is full, has as much again.
WITHIN_MS = 400.0


@dataclass(slots=True)
class Offered:
    """What came of one load."""

    per_s: float
    seconds: float
    asked: int = 0
    good: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    answered_ms: list[float] = field(default_factory=list)
    refused_ms: list[float] = field(default_factory=list)

    def row(self) -> dict[str, Any]:
        """Figures of one table row."""
        return {
            "offered_per_s": round(self.asked / self.seconds, 1),
            "goodput_per_s": round(self.good / self.seconds, 1),
            "answered_p50_ms": round(percentile(self.answered_ms, 50), 1) if self.answered_ms else None,
            "answered_p99_ms": round(percentile(self.answered_ms, 99), 1) if self.answered_ms else None,
            "refused_p99_ms": round(percentile(self.refused_ms, 99), 1) if self.refused_ms else None,
            "outcomes": dict(self.outcomes),
        }


async def capacity(client: aiohttp.ClientSession, asked: Iterator[str], seconds: float) -> float:
    """Searches per second that a few callers get who wait for their answers."""
    sample = Offered(0.0, seconds)
    until_s = time.perf_counter() + seconds

    async def caller() -> None:
        while time.perf_counter() < until_s:
            await _ask(client, next(asked), sample)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(_CALLERS):
            tasks.create_task(caller())
    return sample.good / seconds


async def offer(client: aiohttp.ClientSession, asked: Iterator[str], per_s: float, seconds: float) -> Offered:
    """Questions at this rate for so many seconds."""
    offered, rng = Offered(per_s, seconds), random.Random(_SEED)
    began_s = time.perf_counter()
    at_s = began_s
    async with asyncio.TaskGroup() as tasks:
        while (at_s := at_s + rng.expovariate(per_s)) < began_s + seconds:
            await asyncio.sleep(max(0.0, at_s - time.perf_counter()))
            offered.asked += 1
            tasks.create_task(_ask(client, next(asked), offered))
    return offered


async def _ask(client: aiohttp.ClientSession, question: str, into: Offered) -> None:
    began_s = time.perf_counter()
    try:
        async with client.post("/v1/search", json={"query": question, "k": 10}) as response:
            body = msgspec.json.decode(await response.read())
    except (aiohttp.ClientError, TimeoutError) as exc:
        into.outcomes[type(exc).__name__] += 1
        return
    took_ms = (time.perf_counter() - began_s) * 1000
    if response.status != 200:
        into.outcomes[str(response.status)] += 1
        into.refused_ms.append(took_ms)
        return
    full = body["coverage"]["answered"] == body["coverage"]["of"] and not body["degraded"]
    into.outcomes["full" if full else "partial"] += 1
    into.answered_ms.append(took_ms)
    into.good += full and took_ms <= WITHIN_MS


async def run(url: str, *, seconds: float) -> dict[str, Any]:
    """Capacity, then each load after a rest."""
    asked = questions(read_prose(_CHECKOUT / "samples"), _SEED)
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
    async with aiohttp.ClientSession(url, connector=connector, timeout=timeout) as client:
        await capacity(client, asked, seconds / 2)
        per_s = await capacity(client, asked, seconds)
        rows = []
        for load in _LOADS:
            await asyncio.sleep(_REST_S)
            offered = await offer(client, asked, max(1.0, load * per_s), seconds)
            rows.append({"load": load, **offered.row()})
    peak = max(row["goodput_per_s"] for row in rows)
    at_twice = next(row["goodput_per_s"] for row in rows if row["load"] == 2.0)
    return {
        "machine": describe_machine(),
        "capacity_per_s": round(per_s, 1),
        "within_ms": WITHIN_MS,
        "rows": rows,
        "peak_per_s": peak,
        "at_twice_of_peak": round(at_twice / peak, 2) if peak else 0.0,
    }


def print_table(result: dict[str, Any]) -> None:
    """The result as a table."""
    table = Table(title=f"Open loop, capacity {result['capacity_per_s']}/s, good within {WITHIN_MS:.0f} ms")
    titles = ("load", "offered_per_s", "goodput_per_s", "answered_p50_ms", "answered_p99_ms", "refused_p99_ms")
    for title in (*titles, "outcomes"):
        table.add_column(title)
    for row in result["rows"]:
        table.add_row(*(str(row[title]) for title in titles), str(row["outcomes"]))
    console = Console()
    console.print(table)
    console.print(f"goodput at twice the capacity: {result['at_twice_of_peak']} of the peak")


def main() -> None:
    """Measure a gateway, or a stack of our own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", help="a gateway that runs already; else a stack is started")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each load")
    parser.add_argument("--out", type=Path, help="write the result as JSON")
    given = parser.parse_args()

    async def measure(url: str) -> None:
        result = await run(url, seconds=given.seconds)
        print_table(result)
        if given.out:
            given.out.write_text(json.dumps(result, indent=2) + "\n")

    asyncio.run(measure(given.url) if given.url else with_filled_stack(_CHECKOUT / "samples", measure))


if __name__ == "__main__":
    main()
