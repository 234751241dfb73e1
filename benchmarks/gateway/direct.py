"""Kafka's request-reply against a direct call: the same shards, in the same processes, asked by turns.

Both ways send what a gateway sends, wait for all shards, decode and merge. Kafka's is the gateway's own
`ReplyBus`; the direct one has a connection to each shard for each caller.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import count

import numpy as np
from numpy.typing import NDArray

from benchmarks.gateway.processes import child
from benchmarks.gateway.requests import GROUP, ROOT, SPEC, K, frame, length_of, request_of
from benchmarks.index.data_set import Say, open_data_set
from benchmarks.percentiles import percentile
from contracts.codec import decode, encode
from contracts.search import SearchReply
from contracts.topics import REPLY_PARTITIONS
from gateway.clients.reply_bus import ReplyBus
from gateway.core.merge import merge, shard_k
from runtime.telemetry import Metrics, new_trace
from stack.events import StackFailed

CALLERS = (1, 4, 16)
N_SHARDS = 3
_PARTITION = REPLY_PARTITIONS - 1
_REPLY_WITHIN_S = 5.0
_ASSIGNED_WITHIN_S = 30.0

Ask = Callable[[int, NDArray[np.float32]], Awaitable[list[SearchReply]]]
"""Asks all shards for a query, as one of the callers."""


@dataclass(frozen=True, slots=True)
class WayRow:
    """Round trips of one way at some callers, in milliseconds, all rounds together."""

    way: str
    callers: int
    searches: int
    per_s: float
    p50_ms: float
    p99_ms: float
    shard_p50_ms: float


@dataclass(slots=True)
class _Taken:
    took_ms: list[float]
    shard_ms: list[float]
    wall_s: float = 0.0

    def row(self, way: str, callers: int) -> WayRow:
        n = len(self.took_ms)
        return WayRow(
            way,
            callers,
            n,
            n / self.wall_s,
            percentile(self.took_ms, 50),
            percentile(self.took_ms, 99),
            percentile(self.shard_ms, 50),
        )


async def measure_ways(bootstrap: str, *, rows: int, searches: int, rounds: int, say: Say) -> list[WayRow]:
    """Both ways at each number of callers, by turns, `rounds` times `searches` each.

    Raises:
        StackFailed: a shard did not start, or the two ways found different things.
    """
    data = await asyncio.to_thread(open_data_set, ROOT, SPEC, rows, say)
    queries = data.asked.mixed
    async with AsyncExitStack() as closing:
        say(f"filling {N_SHARDS} shards with {rows:,} items")
        ports = []
        for number in range(N_SHARDS):
            arguments = [bootstrap, str(rows), str(number), str(N_SHARDS)]
            shard = await closing.enter_async_context(child("benchmarks.gateway.shard_process", arguments))
            ports.append(shard.port)
        kafka = await closing.enter_async_context(_over_kafka(bootstrap))
        direct = await closing.enter_async_context(_directly(ports, max(CALLERS)))
        await _same(kafka, direct, queries[:50])
        table = []
        for callers in CALLERS:
            taken = {"Kafka": (kafka, _Taken([], [])), "direct": (direct, _Taken([], []))}
            for ask, _ in taken.values():
                await _run(ask, queries, callers, searches // 5, _Taken([], []))
            for _ in range(rounds):
                for ask, into in taken.values():
                    await _run(ask, queries, callers, searches, into)
            table += [into.row(way, callers) for way, (_, into) in taken.items()]
            say(f"{callers} callers: Kafka {table[-2].p50_ms:.2f} ms, direct {table[-1].p50_ms:.2f} ms")
        return table


async def _run(ask: Ask, queries: NDArray[np.float32], callers: int, searches: int, into: _Taken) -> None:
    pending = iter(range(searches))
    began_s = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for caller in range(callers):
            tasks.create_task(_caller(ask, queries, caller, pending, into))
    into.wall_s += time.perf_counter() - began_s


async def _caller(
    ask: Ask, queries: NDArray[np.float32], caller: int, pending: Iterator[int], into: _Taken
) -> None:
    for number in pending:
        began_s = time.perf_counter()
        replies = await ask(caller, queries[number % len(queries)])
        if any(reply.outcome != "ok" for reply in replies):
            raise StackFailed(f"A shard failed: {replies}")
        merge([reply.hits for reply in replies], K)
        into.took_ms.append((time.perf_counter() - began_s) * 1000)
        into.shard_ms.append(max(reply.search_ms for reply in replies))


async def _same(kafka: Ask, direct: Ask, queries: NDArray[np.float32]) -> None:
    for query in queries:
        one, other = [merge([reply.hits for reply in await ask(0, query)], K) for ask in (kafka, direct)]
        if not one or [hit.item_id for hit in one] != [hit.item_id for hit in other]:
            raise StackFailed("The shards answer differently over Kafka and directly.")


@asynccontextmanager
async def _over_kafka(bootstrap: str) -> AsyncIterator[Ask]:
    async with ReplyBus(bootstrap, _PARTITION, Metrics(), max_open=64).running() as bus:
        async with asyncio.timeout(_ASSIGNED_WITHIN_S):
            while not bus.available():  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.05)

        async def ask(_: int, query: NDArray[np.float32]) -> list[SearchReply]:
            conversation = bus.open()
            try:
                request = request_of(query, conversation.correlation_id, _PARTITION, shard_k(K))
                conversation.send(request, GROUP, new_trace())
                replies: list[SearchReply] = []
                while len(replies) < N_SHARDS:
                    reply = await conversation.next_reply(_REPLY_WITHIN_S)
                    if reply is None:
                        raise StackFailed("A shard did not answer over Kafka.")
                    replies.append(reply)
                return replies
            finally:
                conversation.close()

        yield ask


@asynccontextmanager
async def _directly(ports: list[int], callers: int) -> AsyncIterator[Ask]:
    connections = [[await asyncio.open_connection("127.0.0.1", port) for port in ports] for _ in range(callers)]
    turn = count()

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> SearchReply:
        writer.write(request)
        length = length_of(await reader.readexactly(4))
        return decode(SearchReply, await reader.readexactly(length))

    async def ask(caller: int, query: NDArray[np.float32]) -> list[SearchReply]:
        request = frame(encode(request_of(query, f"direct-{next(turn)}", _PARTITION, shard_k(K))))
        async with asyncio.timeout(_REPLY_WITHIN_S):
            return await asyncio.gather(*(one(*each, request) for each in connections[caller]))

    try:
        yield ask
    finally:
        for writer in [writer for each in connections for _, writer in each]:
            writer.close()
