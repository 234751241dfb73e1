"""Searches while a shard is written to: the threads of an index process, without Kafka around them.

One thread applies 500 updates a second, each through `intake.take` as the follower does, from bytes on. The
product's upkeep thread covers, seals and merges; snapshots are saved as often as the follower would. One thread
searches in a closed loop. Twice a second a document that was just sent is searched for until it is found.
"""

from __future__ import annotations

import dataclasses
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray

from benchmarks.index.asked import K
from benchmarks.index.data_set import DataSet, Say
from benchmarks.index.filled_shard import EVERYTHING, TENANT, fill
from benchmarks.index.updates import updates_of
from benchmarks.percentiles import percentile
from contracts.errors import NotFound
from index_service.hosted import HostedShard
from index_service.intake import take
from index_service.kinds.parameters import IndexParameters
from index_service.queries import Query
from index_service.settings import IndexSettings
from index_service.shard import Shard
from index_service.snapshot import LogPosition
from index_service.trained import TrainedIndexes
from index_service.upkeep_thread import UpkeepThread
from runtime.object_store import ObjectStore
from runtime.telemetry import Metrics

RATE_PER_S = 500
_SAVE_EVERY = 10_000
_PROBE_EVERY = RATE_PER_S // 2
_IDLE_S = 10.0
_PROBE_TIMEOUT_S = 10.0
# As an index process sets it.
_SWITCH_INTERVAL_S = 0.0005


@dataclass(frozen=True, slots=True)
class Phase:
    """Searches of one phase: how many a second, and how long one took."""

    name: str
    seconds: float
    searches_per_s: float
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True)
class LiveResult:
    """What happened.

    Args:
        by_minute: searches a second while writing, minute by minute.
        behind_s: how late the writer was at worst.
        visible_s: time from when an update was due until a search found it: median and longest; `lost` never were.
        upkeep: what upkeep did how often.
    """

    start_items: int
    end_items: int
    updates_per_s: float
    idle: Phase
    writing: Phase
    after: Phase
    ratio: float
    by_minute: tuple[float, ...]
    behind_s: float
    visible_s: tuple[float, float]
    lost: int
    upkeep: dict[str, float]


class _Searches:
    """The thread that searches in a closed loop."""

    def __init__(self, hosted: HostedShard, queries: NDArray[np.float32]) -> None:
        self._hosted = hosted
        self._queries = [Query(TENANT, row, K, EVERYTHING) for row in queries]
        self.took: list[tuple[float, float]] = []
        self.probes: deque[tuple[str, NDArray[np.float32], float]] = deque()
        self.visible_s: list[float] = []
        self.lost = 0

    def run(self, stop: threading.Event) -> None:
        """Search until `stop` is set."""
        faiss.omp_set_num_threads(1)
        number = 0
        while not stop.is_set():
            began = time.perf_counter()
            self._hosted.shard.search([self._queries[number % len(self._queries)]])
            self.took.append((began, time.perf_counter() - began))
            number += 1
            if self.probes:
                self._probe()

    def _probe(self) -> None:
        doc_id, vector, due = self.probes.popleft()
        [found] = self._hosted.shard.search([Query(TENANT, vector, 1, EVERYTHING)])
        waited_s = time.perf_counter() - due
        if found.hits and found.hits[0].doc_id == doc_id:
            self.visible_s.append(waited_s)
        elif waited_s < _PROBE_TIMEOUT_S:
            self.probes.append((doc_id, vector, due))
        else:
            self.lost += 1

    def phase(self, name: str, first: int, seconds: float) -> Phase:
        """Figures of the searches from the `first` on."""
        took = [each for _, each in self.took[first:]]
        per_s = len(took) / seconds
        return Phase(name, seconds, per_s, 1000 * percentile(took, 50), 1000 * percentile(took, 99))


def _no_claims(key: str) -> bytes:
    raise NotFound(key)


def write_live(
    data: DataSet, scratch: Path, say: Say, *, minutes: float, replaced: float, parameters: IndexParameters
) -> LiveResult:
    """Fill a shard with documents of one item; search it idle, while it is written to, and idle again.

    Args:
        replaced: share of the updates that replace a document; the others bring a new one.
    """
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    say("filling the shard")
    data = dataclasses.replace(data, documents=np.arange(data.n))
    filled = fill(data, scratch, parameters)
    hosted = HostedShard(filled.shard.spec, scratch, filled.shard, position=LogPosition("bench/log", 0))
    hosted.shard = _reopened(hosted, filled.shard)
    start_items = hosted.shard.n_items
    metrics = Metrics()
    store = ObjectStore.from_url(f"file://{scratch / 'objects'}")
    upkeep = UpkeepThread(
        [hosted],
        TrainedIndexes(store, hosted.spec, parameters),
        f"file://{scratch / 'objects'}",
        metrics,
        faiss_threads=1,
        forget_after_s=IndexSettings.model_fields["forget_after_s"].default,
        now_ms=lambda: time.time_ns() // 1_000_000,
    )
    searches = _Searches(hosted, data.asked.mixed)
    n, behind_s = int(minutes * 60 * RATE_PER_S), 0.0
    say(f"encoding {n:,} updates")
    log = list(updates_of(data, hosted.spec, n, replaced=replaced, probe_every=_PROBE_EVERY))
    stop = threading.Event()
    threads = [threading.Thread(target=run, args=(stop,), daemon=True) for run in (upkeep.run, searches.run)]
    for thread in threads:
        thread.start()
    time.sleep(1)
    idle = _idle(searches, "idle")
    say(f"idle: {idle.searches_per_s:.0f} searches/s")
    first, began = len(searches.took), time.perf_counter()
    for offset, update in enumerate(log):
        due = began + offset / RATE_PER_S
        now = time.perf_counter()
        if due > now:
            time.sleep(due - now)
        else:
            behind_s = max(behind_s, now - due)
        taken = take(hosted, update.record, _no_claims, 0)
        assert taken.outcome == "applied", taken
        if update.probe is not None:
            searches.probes.append((update.doc_id, update.probe, due))
        if hosted.unsaved_updates >= _SAVE_EVERY:
            hosted.save(0)
    seconds = time.perf_counter() - began
    writing = searches.phase("writing", first, seconds)
    starts = np.array([at for at, _ in searches.took[first:]]) - began
    by_minute = tuple(float(np.sum((starts >= at) & (starts < at + 60)) / 60) for at in range(0, int(seconds), 60))
    say(f"writing: {writing.searches_per_s:.0f} searches/s")
    while searches.probes:
        time.sleep(0.1)
    time.sleep(3)
    after = _idle(searches, "after")
    stop.set()
    for thread in threads:
        thread.join(120)
    return LiveResult(
        start_items=start_items,
        end_items=hosted.shard.n_items,
        updates_per_s=n / seconds,
        idle=idle,
        writing=writing,
        after=after,
        ratio=writing.searches_per_s / idle.searches_per_s,
        by_minute=by_minute,
        behind_s=behind_s,
        visible_s=(float(np.median(searches.visible_s)), max(searches.visible_s)),
        lost=searches.lost,
        upkeep=_counted(metrics),
    )


def _reopened(hosted: HostedShard, shard: Shard) -> Shard:
    hosted.unsaved_updates = 1
    hosted.save(0)
    return shard


def _idle(searches: _Searches, name: str) -> Phase:
    first, began = len(searches.took), time.perf_counter()
    time.sleep(_IDLE_S)
    return searches.phase(name, first, time.perf_counter() - began)


def _counted(metrics: Metrics) -> dict[str, float]:
    done: dict[str, float] = {}
    for family in metrics.registry.collect():
        for sample in family.samples:
            if sample.name == "trireme_index_upkeep_total":
                done[sample.labels["done"]] = sample.value
    return done
