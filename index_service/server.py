"""An index process: builds the parts, runs the two threads, watches them, and ends in order."""

import threading
from collections.abc import Callable
from pathlib import Path

from contracts.errors import BadMessage, ConfigurationError
from contracts.metrics import FAISS_INDEX_CPU
from contracts.space import Space, read_space
from contracts.topics import index_updates
from index_service.answering import Answerer
from index_service.cpu import CpuMeter
from index_service.follower import Follower
from index_service.hosted import HostedShard
from index_service.outbox import Outbox
from index_service.searcher import Searcher
from index_service.settings import IndexSettings
from index_service.shard import Shard
from index_service.spec import shard_spec
from index_service.voice import Voice
from runtime.generations import GenerationReader
from runtime.health import HealthServer
from runtime.kafka_producer import KafkaProducer
from runtime.object_store import ObjectStore
from runtime.telemetry import Metrics, get_logger

_LOG = get_logger(__name__)
_WATCH_S = 2.0
_GENERATIONS_TIMEOUT_S = 2.0
_JOIN_FOLLOWER_S = 8.0
_JOIN_SEARCHER_S = 1.0


def load_space(model_repository: Path) -> Space:
    """The joint space that the models speak.

    Raises:
        ConfigurationError: `space.json` is missing or not proper.
    """
    try:
        return read_space((model_repository / "space.json").read_bytes())
    except (OSError, BadMessage) as exc:
        raise ConfigurationError(
            f"The description of the joint space ({model_repository / 'space.json'}) cannot be read; "
            "the export writes it."
        ) from exc


class IndexServer:
    """Hosts the shards that the settings name."""

    def __init__(self, settings: IndexSettings, space: Space, metrics: Metrics) -> None:
        self._settings = settings
        self._hosted = {number: _hosted_shard(settings, space, number) for number in settings.shards}
        self._replies = KafkaProducer(settings.kafka_bootstrap, f"{settings.process}-replies", acks="1")
        self._notices = (
            None if settings.read_only else KafkaProducer(settings.kafka_bootstrap, f"{settings.process}-notices")
        )
        self._follower = Follower(
            settings.kafka_bootstrap,
            settings.process,
            index_updates(settings.generation),
            list(self._hosted.values()),
            ObjectStore.from_url(settings.object_store_url),
            Outbox(self._notices, speaks=self._voice(settings)) if self._notices is not None else None,
            metrics,
            snapshot_every_updates=settings.snapshot_every_updates,
        )
        self._searcher = Searcher(
            settings.kafka_bootstrap,
            settings.process,
            settings.group,
            Answerer(self._hosted, settings.group),
            self._replies,
            metrics,
            faiss_threads=settings.faiss_threads,
        )
        self._cpu = CpuMeter(settings.cpu_limit_cores)
        self._cpu_percent = metrics.gauge(FAISS_INDEX_CPU).labels(",".join(map(str, settings.shards)))
        self._health = HealthServer(settings.health_port, self.readiness, metrics.registry)

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
            "replayed": ready,
            "updates_reachable": self._follower.reachable,
            "requests_reachable": self._searcher.listening,
        }
        return ready and self._follower.reachable and self._searcher.listening, details

    def run(self, stop: threading.Event) -> bool:
        """Serve until `stop` is set, then save; False when a thread ended by itself and a restart is due."""
        self._health.start()
        follower = threading.Thread(target=self._follower.run, args=(stop,), name="updates", daemon=True)
        searcher = threading.Thread(target=self._searcher.run, args=(stop,), name="searches", daemon=True)
        follower.start()
        searcher.start()
        intact = True
        while intact and not stop.wait(_WATCH_S):
            self._cpu_percent.set(self._cpu.percent())
            intact = follower.is_alive() and searcher.is_alive()
        stop.set()
        searcher.join(_JOIN_SEARCHER_S)
        follower.join(_JOIN_FOLLOWER_S)
        self._health.stop()
        for producer in (self._replies, self._notices):
            if producer is not None:
                producer.close(timeout_s=0.5)
        _LOG.info("index_process_ends", in_order=intact and not follower.is_alive())
        return intact


def _hosted_shard(settings: IndexSettings, space: Space, number: int) -> HostedShard:
    spec = shard_spec(space, settings.generation, number, settings.n_shards)
    directory = settings.snapshot_dir / settings.generation / f"shard-{number}"
    return HostedShard(spec=spec, directory=directory, shard=Shard(spec))
