"""What the gateway's benchmark works with: frames on a socket, the bare route, what its tables say."""

from io import BytesIO
from pathlib import Path

import httpx
import msgspec
import numpy as np
import pytest
from rich.console import Console

from benchmarks.gateway import tables
from benchmarks.gateway.bare_route import app_of
from benchmarks.gateway.direct import WayRow
from benchmarks.gateway.own import OwnCost
from benchmarks.gateway.processes import child, cpu_seconds
from benchmarks.gateway.requests import frame, read_frame, request_of
from benchmarks.search_latency import STAGES, Sample
from contracts.api import Coverage, SearchResponse
from contracts.codec import decode, encode
from contracts.search import SearchRequest
from stack.events import StackFailed

ANSWER = SearchResponse(
    hits=[],
    coverage=Coverage(3, 3),
    served_by="index",
    variant="full",
    generation="g",
    trace_id="0" * 32,
    timings_ms={"total": 1.0},
)


def printed(table: object) -> str:
    console = Console(width=200, record=True)
    with console.capture() as captured:
        console.print(table)
    return captured.get()


def test_frames_come_out_as_they_went_in_until_the_end() -> None:
    request = request_of(np.ones(768, dtype=np.float32), "a-1", 7, 20)
    stream = BytesIO(frame(encode(request)) + frame(b""))
    first = read_frame(stream)
    assert first is not None
    assert decode(SearchRequest, first) == request
    assert read_frame(stream) == b""
    assert read_frame(stream) is None


async def test_the_bare_route_reads_a_search_and_gives_the_answer() -> None:
    transport = httpx.ASGITransport(app=app_of(ANSWER))
    async with httpx.AsyncClient(transport=transport, base_url="http://bare") as client:
        answer = await client.post("/v1/search", json={"query": "bees", "k": 10})
        refused = await client.post("/v1/search", json={"query": "bees", "k": 0})
    assert msgspec.json.decode(answer.content, type=SearchResponse) == ANSWER
    assert refused.status_code == 422


def test_what_kafka_adds_is_the_difference_of_the_medians() -> None:
    rows = [WayRow("Kafka", 1, 10, 200.0, 5.5, 9.0, 1.0), WayRow("direct", 1, 10, 400.0, 3.25, 4.0, 1.0)]
    assert "+2.25" in printed(tables.ways(rows))


def test_a_core_of_the_gateway_is_set_against_the_bare_route() -> None:
    cost = OwnCost(0.5, 2.0, 2.5, [(0.5, 2.0, 2.5)], 4000)
    assert cost.of_bare == pytest.approx(0.25)
    table = printed(tables.own(cost))
    assert "0.25" in table
    assert "500" in table


def test_loads_are_told_with_their_stages() -> None:
    sample = Sample(4, total_ms=[10.0, 20.0], full_coverage=2, wall_s=1.0)
    for stage in (*STAGES, "rest"):
        sample.stage_ms[stage] = [2.5, 5.0]
    table = printed(tables.load(sample, [(7.5, sample)]))
    assert "7.5" in table
    assert "4 callers: 2.0" in table
    assert "100.0%" in table


async def test_a_child_that_ends_before_it_serves_is_told_with_its_status() -> None:
    with pytest.raises(StackFailed, match="ended with status"):
        async with child("benchmarks.no_such_module", []):
            pass


async def test_a_child_is_known_by_its_port_and_its_time_and_ends_with_the_block(tmp_path: Path) -> None:
    answer = tmp_path / "answer.json"
    answer.write_bytes(msgspec.json.encode(ANSWER))
    async with child("benchmarks.gateway.bare_route", [str(answer)]) as served:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{served.port}") as client:
            response = await client.post("/v1/search", json={"query": "bees"})
        assert response.status_code == 200
        assert cpu_seconds(served.pid) > 0
    async with httpx.AsyncClient() as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(f"http://127.0.0.1:{served.port}/")
