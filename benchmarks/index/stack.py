"""Three shards behind Kafka and the gateway: an embedded stack of its own, filled through the log of updates.

Searches with the data set's own queries go through Kafka to all shards and are merged as the gateway merges. The
gateway takes words, which fall anywhere in these vectors: its searches tell times, not recall.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
import urllib.request
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.index.data_set import DataSet, Say
from benchmarks.index.filled_shard import documents_of
from benchmarks.index.kafka_searches import KafkaSearches
from benchmarks.index.recall import Recall, recall_of
from benchmarks.percentiles import percentile
from benchmarks.questions import questions, read_prose
from benchmarks.search_latency import Sample, measure
from client.index_door import IndexDoor
from contracts.ids import shard_of
from contracts.items import upsert
from contracts.keys import item_key
from contracts.topics import index_updates
from index_service.reading import Held, item_set_of
from index_service.spec import ShardSpec
from runtime.kafka_producer import KafkaProducer, Sent
from stack.embedded import EmbeddedStack
from stack.events import StackEvent, StackFailed
from stack.home import StackHome
from stack.options import StackOptions
from stack.ports import LOOPBACK
from stack.running import run_stack
from stack.state import StackState

_SAMPLES = Path(__file__).resolve().parent.parent.parent / "samples"
_SEED = 20261126
_FLUSH_EVERY = 500
_FILL_TIMEOUT_S = 600.0
# Longer than sealing a delta of the default size takes: that counts when it is done.
_SETTLED_S = 30.0
_SEARCHES = 1000
_AT_ONCE = (1, 16)


@dataclass(frozen=True, slots=True)
class StackRow:
    """One run of searches. `shard_p50_ms`: a shard's own search. `compared`: per query and shard, where told."""

    name: str
    searches: int
    failed: int
    per_s: float
    p50_ms: float
    p99_ms: float
    shard_p50_ms: float
    compared: float | None


@dataclass(frozen=True, slots=True)
class StackResult:
    """What three shards did. `filled_s`: from the first update sent until all shards had applied everything."""

    n_items: int
    n_shards: int
    filled_s: float
    recall: Recall
    rows: tuple[StackRow, ...]


def measure_stack(data: DataSet, home: Path, say: Say) -> StackResult:
    """Start, fill, search, stop.

    Raises:
        StackFailed: the stack did not start, or did not come to what was sent.
    """
    results: list[StackResult] = []

    async def while_up(stack: EmbeddedStack, _stop: asyncio.Event) -> None:
        state = stack.state
        filled_s = await asyncio.to_thread(_fill, state, data, say)
        results.append(await _search(state, data, filled_s, say))

    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="stack-", dir=home) as folder:
        asyncio.run(run_stack(StackOptions(home=StackHome(Path(folder)), port=0), partial(_tell, say), while_up))
    if not results:
        raise StackFailed("The measurement was interrupted.")
    return results[0]


async def _search(state: StackState, data: DataSet, filled_s: float, say: Say) -> StackResult:
    recall, rows = await asyncio.to_thread(_through_kafka, state, data, say)
    asked = questions(read_prose(_SAMPLES), _SEED)
    for callers in _AT_ONCE:
        sample = await measure(state.gateway_url, asked, callers=callers, searches=_SEARCHES, warm_up=100)
        rows.append(_gateway_row(f"gateway, words, {callers} at once", sample))
        say(f"{rows[-1].name}: {rows[-1].per_s:.0f}/s")
    return StackResult(data.n, state.n_shards, filled_s, recall, tuple(rows))


def _through_kafka(state: StackState, data: DataSet, say: Say) -> tuple[Recall, list[StackRow]]:
    searches = KafkaSearches(state.kafka_bootstrap, _spec(state, data))
    try:

        def find(queries: NDArray[np.float32]) -> NDArray[np.int64]:
            return searches.ask(queries, at_once=16).rows

        recall = recall_of(find, data.asked, data.truth, data.kinds)
        say(f"three shards: recall at (1,1) {recall.by_pair[0]:.3f}, worst {recall.worst:.3f}")
        rows = []
        for at_once in _AT_ONCE:
            queries = np.resize(data.asked.mixed, (_SEARCHES, data.spec.dim))
            found = searches.ask(queries, at_once=at_once)
            shard_ms, compared = percentile(found.search_ms, 50), float(np.mean(found.compared))
            times = found.per_s(), found.took_ms(50), found.took_ms(99)
            name = f"Kafka, vectors, {at_once} at once"
            rows.append(StackRow(name, _SEARCHES, found.incomplete, *times, shard_ms, compared))
            say(f"{name}: {rows[-1].per_s:.0f}/s")
        return recall, rows
    finally:
        searches.close()


def _gateway_row(name: str, sample: Sample) -> StackRow:
    row = sample.row()
    n = int(row["searches"])
    failed = n + int(row["errors"]) - sample.full_coverage
    times = row["per_s"], row["p50_ms"], row["p99_ms"]
    return StackRow(name, n + int(row["errors"]), failed, *times, row["faiss_p50_ms"], None)


def _fill(state: StackState, data: DataSet, say: Say) -> float:
    """Publish every document, and wait until all shards have applied it and nothing is left to seal or merge."""
    spec = _spec(state, data)
    producer = KafkaProducer(state.kafka_bootstrap, "bench-fill")
    sent = dict.fromkeys(range(state.n_shards), -1)
    began = time.perf_counter()
    try:
        futures: list[Future[Sent]] = []
        for document, vectors, _ in documents_of(data):
            items = item_set_of(Held(document, vectors), spec)
            key = item_key(spec.generation, items.doc_id, items.version, items.revision)
            shard = shard_of(items.doc_id, state.n_shards)
            futures.append(
                producer.send(
                    index_updates(spec.generation), upsert(items, key), key=items.doc_id, partition=shard
                )
            )
            if len(futures) == _FLUSH_EVERY:
                _acknowledged(futures, sent)
                futures = []
        _acknowledged(futures, sent)
    finally:
        producer.close()
    doors = [IndexDoor(address) for address in _doors(state)]
    _until(lambda: all(_applied(door, sent) for door in doors), "the shards apply what was sent")
    filled_s = time.perf_counter() - began
    say(f"filled {data.n:,} items in {filled_s:.0f} s")
    _until_settled(state)
    for door in doors:
        door.close()
    return filled_s


def _acknowledged(futures: list[Future[Sent]], sent: dict[int, int]) -> None:
    for future in futures:
        told = future.result(_FILL_TIMEOUT_S)
        sent[told.partition] = max(sent[told.partition], told.offset)


def _applied(door: IndexDoor, sent: dict[int, int]) -> bool:
    return all(state.next_offset is not None and state.next_offset > sent[state.shard] for state in door.shards())


def _until_settled(state: StackState) -> None:
    """Wait until the upkeep of all shards has had nothing to do for a while."""
    known, since = "", time.monotonic()

    def settled() -> bool:
        nonlocal known, since
        now = "".join(_upkeep(address) for address in _doors(state))
        if now != known:
            known, since = now, time.monotonic()
        return time.monotonic() - since > _SETTLED_S

    _until(settled, "upkeep comes to rest")


def _upkeep(address: str) -> str:
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return "\n".join(line for line in lines if line.startswith("trireme_index_upkeep_total"))


def _until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _FILL_TIMEOUT_S
    while not condition():
        if time.monotonic() > deadline:
            raise StackFailed(f"Waited in vain until {what}.")
        time.sleep(0.5)


def _doors(state: StackState) -> list[str]:
    return [f"{LOOPBACK}:{view.ports['http']}" for view in state.processes if "shard-" in view.name]


def _spec(state: StackState, data: DataSet) -> ShardSpec:
    return ShardSpec(state.generation, 0, state.n_shards, state.space_id, data.spec.text_dim, data.spec.image_dim)


def _tell(say: Say, event: StackEvent) -> None:
    if event.kind in {"died", "given_up"}:
        say(f"{event.name}: {event.kind} {event.detail or ''}")
