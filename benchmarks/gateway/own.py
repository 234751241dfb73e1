"""Processor time that a search costs the gateway's own process, against a bare FastAPI route in the same run.

Processes share two cores here, so searches a second say nothing of one of them; seconds of processor time do.
Their inverse is the throughput of a core.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import aiohttp
import psutil

from benchmarks.gateway.processes import child, cpu_seconds
from benchmarks.search_latency import measure
from contracts.topics import REPLY_PARTITIONS
from stack.ports import free_ports
from stack.state import StackState

_CALLERS = 4
_WARM_UP = 100
# The stack's gateway has the first reply partition.
_ORDINAL = REPLY_PARTITIONS - 2


@dataclass(frozen=True, slots=True)
class OwnCost:
    """Milliseconds of processor time per request: the median of the rounds, and each of them.

    Args:
        answer_bytes: size of the answer that the bare route gives, one of the gateway's.
    """

    bare_ms: float
    stubbed_ms: float
    whole_ms: float
    rounds: list[tuple[float, float, float]]
    answer_bytes: int

    @property
    def of_bare(self) -> float:
        """Throughput of a core with encoders stubbed out, of that of a bare route."""
        return self.bare_ms / self.stubbed_ms


async def measure_own(state: StackState, asked: Iterator[str], *, searches: int, rounds: int) -> OwnCost:
    """Bare route, gateway with stubbed encoders, the stack's own gateway; in turn, `rounds` times."""
    gateway = state.process("gateway")
    assert gateway.pid is not None
    with tempfile.TemporaryDirectory(prefix="bench-gateway-") as folder:
        answer = Path(folder) / "answer.json"
        answer.write_bytes(await _one_answer(state.gateway_url, next(asked)))
        [port] = free_ports(1)
        environment = psutil.Process(gateway.pid).environ() | {
            "TRIREME_PROCESS": "bench-gateway",
            "TRIREME_PORT": str(port),
            "TRIREME_ORDINAL": str(_ORDINAL),
            "TRIREME_STATUS_DB": str(Path(folder) / "status.sqlite"),
        }
        async with (
            child("benchmarks.gateway.bare_route", [str(answer)]) as bare,
            child("benchmarks.gateway.stubbed_gateway", [], environment) as stubbed,
        ):
            places = [
                (bare.pid, f"http://127.0.0.1:{bare.port}"),
                (stubbed.pid, f"http://127.0.0.1:{stubbed.port}"),
                (gateway.pid, state.gateway_url),
            ]
            taken = []
            for _ in range(rounds):
                bare_ms, stubbed_ms, whole_ms = [await _cost_ms(pid, url, asked, searches) for pid, url in places]
                taken.append((bare_ms, stubbed_ms, whole_ms))
        medians = [median(column) for column in zip(*taken, strict=True)]
        return OwnCost(medians[0], medians[1], medians[2], taken, answer.stat().st_size)


async def _one_answer(url: str, question: str) -> bytes:
    async with (
        aiohttp.ClientSession(url) as client,
        client.post("/v1/search", json={"query": question, "k": 10}) as response,
    ):
        response.raise_for_status()
        return await response.read()


async def _cost_ms(pid: int, url: str, asked: Iterator[str], searches: int) -> float:
    await measure(url, asked, callers=_CALLERS, searches=1, warm_up=_WARM_UP)
    before = cpu_seconds(pid)
    sample = await measure(url, asked, callers=_CALLERS, searches=searches, warm_up=0)
    assert not sample.errors, f"{sample.errors} of {searches} searches failed at {url}"
    return 1000 * (cpu_seconds(pid) - before) / searches
