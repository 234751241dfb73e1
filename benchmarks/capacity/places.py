"""Looks into the places where documents end up, and says how many bytes are there."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import psutil
import redis.asyncio

from encoding.manifests import load_space
from index_service.kinds.parameters import IndexParameters
from index_service.rebuild import rebuild
from index_service.segment_files import HEADS, LEXICAL, PAYLOADS
from index_service.spec import shard_spec
from index_service.upkeep import Upkeep
from ingest.live_generations import live
from runtime.generations import read_generations
from runtime.object_store import ObjectStore
from stack.home import CHECKOUT, StackHome
from stack.layout import REDIS
from stack.state import StackState

_TIMEOUT_S = 10.0
_WHEN_BUSY = (429, 503, 504)
_PARTITION = re.compile(r"(.+)-\d+")


def log_bytes(home: StackHome) -> dict[str, int]:
    """Bytes of records by topic, without the broker's indexes, which are as large for an empty log."""
    sizes: Counter[str] = Counter()
    for path in (home.data / "kafka").rglob("*.log"):
        partition = _PARTITION.fullmatch(path.parent.name)
        if partition is not None:
            sizes[partition.group(1)] += path.stat().st_size
    return dict(sizes)


def store_bytes(home: StackHome) -> dict[str, int]:
    """Bytes of the object store by the first part of the key."""
    sizes: Counter[str] = Counter()
    for path in home.objects.rglob("*"):
        if path.is_file():
            sizes[path.relative_to(home.objects).parts[0]] += path.stat().st_size
    return dict(sizes)


def process_bytes(state: StackState) -> dict[str, int]:
    """Memory of each process and its children that nobody else shares (USS)."""
    sizes = {}
    for view in state.processes:
        if view.pid is not None:
            process = psutil.Process(view.pid)
            family = [process, *process.children(recursive=True)]
            sizes[view.name] = sum(each.memory_full_info().uss for each in family)
    return sizes


async def answers_in_redis(state: StackState, asked: Iterator[str], n: int) -> float:
    """Bytes of Redis' memory for each of `n` new answers of the default size."""
    port = state.process(REDIS).ports["redis"]
    async with redis.asyncio.Redis(port=port) as client:
        before = int((await client.info("memory"))["used_memory"])
        async with aiohttp.ClientSession(state.gateway_url, timeout=aiohttp.ClientTimeout(_TIMEOUT_S)) as session:
            for _, question in zip(range(n), asked, strict=False):
                async with session.post("/v1/search", json={"query": question}) as response:
                    if response.status not in _WHEN_BUSY:
                        response.raise_for_status()
        kept = [key async for key in client.scan_iter(match="search:*", count=1000)]
        return (int((await client.info("memory"))["used_memory"]) - before) / len(kept)


async def segment_bytes(state: StackState, folder: Path) -> dict[str, float]:
    """Bytes an item, by part, of one sealed segment of all that the serving generation holds."""
    store = ObjectStore.from_url(state.object_store_url)
    [generation, *_] = live(list(read_generations(state.kafka_bootstrap, timeout_s=_TIMEOUT_S).values()))
    space = load_space(CHECKOUT / "model_repository")
    totals: Counter[str] = Counter()
    for number in range(generation.n_shards):
        spec = shard_spec(space, generation.name, number, generation.n_shards)
        parameters = IndexParameters(flat_below=1)
        shard, _ = await rebuild(spec, store, 0, parameters=parameters)
        Upkeep(shard, folder / str(number), _no_training).seal_all()
        [segment] = shard.sealed
        totals["items"] += segment.n_slots
        totals["documents"] += shard.n_documents
        totals["graph"] += segment.graph_bytes
        for path in segment.directory.rglob("*"):
            if path.is_file():
                totals[_part(path.relative_to(segment.directory))] += path.stat().st_size
    items = totals.pop("items")
    documents = totals.pop("documents")
    return {"items_per_document": items / documents, **{name: size / items for name, size in totals.items()}}


def _part(path: Path) -> str:
    names = {PAYLOADS: "payloads on disk", HEADS: "heads on disk"}
    if path.parts[0] == LEXICAL:
        return "words on disk"
    return names.get(path.parts[0], "vectors, columns and graph on disk")


def _no_training(*_: object) -> None:
    raise AssertionError("Graphs are not trained.")
