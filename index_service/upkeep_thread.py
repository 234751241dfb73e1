"""The thread that keeps shards quick: covers, seals and merges, at low priority, while others search and write."""

import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from contracts.metrics import INDEX_UPKEEP
from index_service.backoff import Backoff
from index_service.forgetting import DeadSince, dead_rows, remove_set_aside
from index_service.hosted import HostedShard
from index_service.merging import MergeInChild
from index_service.segment_files import segments_home
from index_service.snapshot import holds_more, oldest_snapshot_ms, segments_named
from index_service.trained import TrainedIndexes
from index_service.upkeep import Upkeep, remove_unused
from index_service.vectors import use_faiss_threads
from runtime.telemetry import Metrics, get_logger

_LOG = get_logger(__name__)
_PAUSE_S = 0.2
# Searches come first wherever both want a core.
_NICENESS = 10
_LOOK_EVERY_MS = 60_000


class UpkeepThread:
    """Keeps the shards of one process.

    Args:
        trained: where indexes that need training come from.
        object_store_url: where a process that merges finds them.
        faiss_threads: threads that building may use.
        forget_after_s: rows that are gone, and snapshots that hold them, are kept no longer than this.
        now_ms: Unix time in ms.
    """

    def __init__(
        self,
        hosted: Sequence[HostedShard],
        trained: TrainedIndexes,
        object_store_url: str,
        metrics: Metrics,
        *,
        faiss_threads: int,
        forget_after_s: float,
        now_ms: Callable[[], int],
    ) -> None:
        self._hosted = hosted
        self._trained = trained
        self._steps = metrics.counter(INDEX_UPKEEP)
        self._faiss_threads = faiss_threads
        self._forget_after_ms = int(forget_after_s * 1000)
        self._now_ms = now_ms
        self._dead = {one.spec.shard: DeadSince(one.directory) for one in hosted}
        self._looked_ms: dict[int, int] = {}
        self._renewing: dict[int, tuple[int, int]] = {}
        self._merge = MergeInChild(trained.get, object_store_url, faiss_threads=faiss_threads)

    def run(self, stop: threading.Event) -> None:
        """Keep them until `stop` is set; what fails is tried again, later and later."""
        use_faiss_threads(self._faiss_threads)
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
        backoff = Backoff()
        while not stop.is_set():
            busy = False
            for hosted in self._hosted:
                try:
                    busy = self.tend(hosted) or busy
                except Exception:  # noqa: BLE001 - the outermost loop of the thread; a full disk among others
                    _LOG.exception("upkeep_failed", shard=hosted.spec.shard)
                    stop.wait(backoff.next_s())
            if not busy:
                stop.wait(_PAUSE_S)

    def tend(self, hosted: HostedShard) -> bool:
        """Do one thing for one shard; whether there was something to do.

        Raises:
            OSError: the disk does not take a segment.
            DependencyDown: an index that needs training is neither here nor can it be fetched.
        """
        home = segments_home(hosted.directory)
        overdue = self._overdue(hosted)
        done = Upkeep(hosted.shard, home, self._trained.get, self._merge).step(overdue)
        if done is None:
            self._see_to_files(hosted, home)
            return False
        self._steps.labels(str(hosted.spec.shard), done).inc()
        if done != "covered":
            if overdue:
                hosted.snapshots_wanted = max(1, hosted.snapshots_wanted)
            _remove_unused(hosted, home)
        return True

    def _overdue(self, hosted: HostedShard) -> frozenset[str]:
        """Parts whose dead rows are older than they may become, or than somebody's wish to have them gone."""
        if not hosted.caught_up:
            return frozenset()
        now_ms, dead = self._now_ms(), self._dead[hosted.spec.shard]
        dead.note(dead_rows(hosted.shard), now_ms)
        asked_ms = hosted.forget_asked_ms
        return dead.overdue(now_ms - self._forget_after_ms if asked_ms is None else now_ms)

    def _see_to_files(self, hosted: HostedShard, home: Path) -> None:
        """With no part left to write anew: replace old snapshots, and remove what only they needed."""
        now_ms, shard = self._now_ms(), hosted.spec.shard
        asked_ms = hosted.forget_asked_ms
        if asked_ms is not None and hosted.caught_up:
            renewing = self._renewing.get(shard)
            if renewing is None or renewing[0] != asked_ms:
                renewing = self._renewing[shard] = (asked_ms, now_ms)
            oldest_ms = oldest_snapshot_ms(hosted.directory)
            if oldest_ms is None or oldest_ms <= renewing[1]:
                hosted.snapshots_wanted = max(1, hosted.snapshots_wanted)
                return
            _remove_unused(hosted, home)
            remove_set_aside(hosted.directory, now_ms)
            if hosted.forget_asked_ms == asked_ms:
                hosted.forgets, hosted.forget_asked_ms = hosted.forgets + 1, None
                del self._renewing[shard]
                _LOG.info("shard_forgot", shard=shard)
        elif now_ms - self._looked_ms.get(shard, 0) >= _LOOK_EVERY_MS:
            self._looked_ms[shard] = now_ms
            before_ms = now_ms - self._forget_after_ms
            if holds_more(hosted.directory, before_ms):
                hosted.snapshots_wanted = max(1, hosted.snapshots_wanted)
            remove_set_aside(hosted.directory, before_ms)
            _remove_unused(hosted, home)


def _remove_unused(hosted: HostedShard, home: Path) -> None:
    with hosted.files:
        used = {segment.name for segment in hosted.shard.sealed} | segments_named(hosted.directory)
        remove_unused(home, used)
