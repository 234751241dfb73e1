"""An index process: builds the parts, runs its threads, watches them, and ends in order."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from contracts.errors import ConfigurationError, SpaceMismatch
from contracts.metrics import FAISS_INDEX_CPU
from contracts.space import Space
from contracts.topics import index_updates
from contracts.touches import day_of
from index_service.access_file import load_access
from index_service.answering import Answerer
from index_service.clock import now_ms
from index_service.cpu import CpuMeter
from index_service.door import IndexDoor
from index_service.errands import Errands
from index_service.follower import Follower
from index_service.gauges import SearchCounters
from index_service.hosted import HostedShard
from index_service.kinds.gpu import gpu_count
from index_service.kinds.parameters import IndexParameters
from index_service.outbox import Outbox
from index_service.parts import Found
from index_service.probe import RecallProbe
from index_service.queries import Query
from index_service.searcher import Searcher
from index_service.settings import IndexSettings
from index_service.shard import Shard
from index_service.spec import shard_spec
from index_service.touch_reader import TouchReader
from index_service.trained import TrainedIndexes
from index_service.upkeep_thread import UpkeepThread
from index_service.voice import Voice
from runtime.generations import GenerationReader
from runtime.health import HealthServer
from runtime.kafka_producer import KafkaProducer
from runtime.object_store import ObjectStore
from runtime.space_files import SpaceBook
from runtime.telemetry import Metrics, get_logger

_LOG = get_logger(__name__)
_WATCH_S = 2.0
_GENERATIONS_TIMEOUT_S = 2.0
_JOIN_FOLLOWER_S = 8.0
_JOIN_S = 1.0


def load_space(model_repository: Path, space_id: str = "") -> Space:
    """The joint space of the index: the repository's first one, or that of this id.

    Raises:
        ConfigurationError: the repository does not describe it.
    """
    book = SpaceBook(model_repository)
    try:
        return book.of(space_id) if space_id else book.first
    except SpaceMismatch as exc:
        raise ConfigurationError(exc.message) from exc


class IndexServer:
    """Hosts the shards that the settings name."""

    def __init__(self, settings: IndexSettings, space: Space, metrics: Metrics) -> None:
        self._settings = settings
        self._hosted = {number: _hosted_shard(settings, space, number) for number in settings.shards}
        self._replies = KafkaProducer(settings.kafka_bootstrap, f"{settings.process}-replies", acks="1")
        self._notices = (
            None if settings.read_only else KafkaProducer(settings.kafka_bootstrap, f"{settings.process}-notices")
        )
        errands = Errands()
        store = ObjectStore.from_url(settings.object_store_url)
        self._follower = Follower(
            settings.kafka_bootstrap,
            settings.process,
            index_updates(settings.generation),
            list(self._hosted.values()),
            store,
            Outbox(self._notices, speaks=self._voice(settings)) if self._notices is not None else None,
            errands,
            metrics,
            snapshot_every_updates=settings.snapshot_every_updates,
        )
        counters = SearchCounters(metrics)
        self._probe = RecallProbe(
            lambda number: self._hosted[number].shard,
            lambda query: replace(query, exact=True),
            space.text_dim,
            metrics,
            seed=settings.group,
        )

        def searched(shard: int, queries: Sequence[Query], found: Sequence[Found]) -> None:
            counters.count(shard, found)
            for query in queries:
                self._probe.note(shard, query)

        self._searcher = Searcher(
            settings.kafka_bootstrap,
            settings.process,
            settings.group,
            Answerer(self._hosted, settings.group, searched),
            self._replies,
            metrics,
            faiss_threads=settings.faiss_threads,
        )
        hosted = list(self._hosted.values())
        upkeep = UpkeepThread(
            hosted,
            TrainedIndexes(store, hosted[0].spec, settings.index),
            settings.object_store_url,
            metrics,
            faiss_threads=settings.build_threads,
            forget_after_s=settings.forget_after_s,
            now_ms=now_ms,
        )
        self._cpu = CpuMeter(settings.cpu_limit_cores)
        self._cpu_percent = metrics.gauge(FAISS_INDEX_CPU).labels(",".join(map(str, settings.shards)))
        door = IndexDoor(
            self._hosted, errands, group=settings.group, read_only=settings.read_only, today=_today, now_ms=now_ms
        )
        self._threads: dict[str, Callable[[threading.Event], None]] = {
            "updates": self._follower.run,
            "searches": self._searcher.run,
            "upkeep": upkeep.run,
            "recall-probe": self._probe.run,
        }
        if not settings.read_only:
            self._threads["touches"] = TouchReader(
                settings.kafka_bootstrap,
                settings.process,
                settings.generation,
                hosted,
                metrics,
                today=_today,
            ).run
        self._health = HealthServer(
            settings.health_port, self.readiness, metrics.registry, door=door.answer, host=settings.health_host
        )

    @staticmethod
    def _voice(settings: IndexSettings) -> Callable[[], bool]:
        reader = GenerationReader(settings.kafka_bootstrap, f"{settings.process}-generations")
        return Voice(settings.generation, lambda: reader.read(timeout_s=_GENERATIONS_TIMEOUT_S)).speaks

    def readiness(self) -> tuple[bool, dict[str, object]]:
        """Ready once every shard has replayed its log, and while updates and requests can be reached."""
        shards = self._hosted.values()
        ready = all(hosted.caught_up for hosted in shards)
        details: dict[str, object] = {
            "items": sum(hosted.shard.n_items for hosted in shards),
            "applied_offset": {str(h.spec.shard): h.applied_offset for h in shards},
            "lag": sum(hosted.lag for hosted in shards),
            "lag_records": {str(h.spec.shard): h.lag for h in shards},
            "lag_s": {str(h.spec.shard): round(h.lag_s(now_ms()), 3) for h in shards},
            "replayed": ready,
            "updates_reachable": self._follower.reachable,
            "requests_reachable": self._searcher.listening,
        }
        return ready and self._follower.reachable and self._searcher.listening, details

    def run(self, stop: threading.Event) -> bool:
        """Serve until `stop` is set, then save; False when a thread ended by itself and a restart is due."""
        self._health.start()
        threads = {
            name: threading.Thread(target=run, args=(stop,), name=name, daemon=True)
            for name, run in self._threads.items()
        }
        for thread in threads.values():
            thread.start()
        intact = True
        while intact and not stop.wait(_WATCH_S):
            self._cpu_percent.set(self._cpu.percent())
            intact = all(thread.is_alive() for thread in threads.values())
        stop.set()
        follower = threads.pop("updates")
        for thread in threads.values():
            thread.join(_JOIN_S)
        follower.join(_JOIN_FOLLOWER_S)
        self._health.stop()
        for producer in (self._replies, self._notices):
            if producer is not None:
                producer.close(timeout_s=0.5)
        _LOG.info("index_process_ends", in_order=intact and not follower.is_alive())
        return intact


def _today() -> int:
    return day_of(now_ms())


def _parameters(settings: IndexSettings, shard: int) -> IndexParameters:
    """How a shard is laid out: on a GPU where there is one and nobody chose; shards take the devices in turn."""
    n_gpus = gpu_count()
    if settings.index.gpu is not None or not n_gpus or settings.read_only:
        return settings.index
    return msgspec.structs.replace(settings.index, gpu=shard % n_gpus)


def _hosted_shard(settings: IndexSettings, space: Space, number: int) -> HostedShard:
    spec = shard_spec(space, settings.generation, number, settings.n_shards)
    directory = settings.snapshot_dir / settings.generation / f"shard-{number}"
    hosted = HostedShard(spec=spec, directory=directory, shard=Shard(spec, _parameters(settings, number)))
    load_access(directory, hosted.access)
    return hosted
