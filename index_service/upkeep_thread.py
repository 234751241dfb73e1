"""The thread that keeps shards quick: covers, seals and merges, at low priority, while others search and write."""

import os
import threading
from collections.abc import Sequence

from contracts.metrics import INDEX_UPKEEP
from index_service.backoff import Backoff
from index_service.hosted import HostedShard
from index_service.segment_files import segments_home
from index_service.snapshot import segments_named
from index_service.trained import TrainedIndexes
from index_service.upkeep import Upkeep, remove_unused
from index_service.vectors import use_faiss_threads
from runtime.telemetry import Metrics, get_logger

_LOG = get_logger(__name__)
_PAUSE_S = 0.2
# Searches come first wherever both want a core.
_NICENESS = 10


class UpkeepThread:
    """Keeps the shards of one process.

    Args:
        trained: where indexes that need training come from.
        faiss_threads: threads that building may use.
    """

    def __init__(
        self, hosted: Sequence[HostedShard], trained: TrainedIndexes, metrics: Metrics, *, faiss_threads: int
    ) -> None:
        self._hosted = hosted
        self._trained = trained
        self._steps = metrics.counter(INDEX_UPKEEP)
        self._faiss_threads = faiss_threads

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
        done = Upkeep(hosted.shard, home, self._trained.get).step()
        if done is None:
            return False
        self._steps.labels(str(hosted.spec.shard), done).inc()
        if done != "covered":
            with hosted.files:
                used = {segment.name for segment in hosted.shard.sealed} | segments_named(hosted.directory)
                remove_unused(home, used)
        return True
