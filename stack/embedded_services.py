"""Trireme's own processes in the embedded stack: which there are, and what each is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from contracts.search import CPU_GROUP, PRIMARY_GROUP
from stack.bootstrap import DataSpace
from stack.home import StackHome
from stack.layout import (
    BOOTSTRAP,
    GATEWAY,
    JOINT_UPDATER,
    REDIS,
    REPLICA,
    TEXT_EMBEDDER,
    TRITON,
    VISION_EMBEDDER,
    WATCH_FOLDER,
    StackPorts,
    shard_name,
)
from stack.options import StackOptions
from stack.process import ProcessSpec
from stack.services import Service, service_spec

INDEX_MODULE = "index_service"
# Reading documents (scans above all) takes whole processors for seconds; a search needs milliseconds of one.
INGESTION_NICENESS = 10


@dataclass(frozen=True, slots=True)
class EmbeddedServices:
    """The processes of one stack.

    Args:
        kafka_bootstrap: the broker that they use, ours or another.
    """

    options: StackOptions
    home: StackHome
    ports: StackPorts
    space: DataSpace
    kafka_bootstrap: str

    def specs(self) -> list[ProcessSpec]:
        """All of them, in the order in which people like to see them."""
        return [service_spec(service) for service in self._services()]

    def _services(self) -> list[Service]:
        n_shards = self.space.n_shards
        shards = [self._index(shard_name(i), (i,), PRIMARY_GROUP) for i in range(n_shards)]
        replica = self._index(REPLICA, tuple(range(n_shards)), CPU_GROUP, read_only=True)
        workers = [
            self._worker(TEXT_EMBEDDER, "ingest.text_embedder", needs_triton=True),
            self._worker(VISION_EMBEDDER, "ingest.vision_embedder", needs_triton=True),
            self._worker(JOINT_UPDATER, "ingest.joint_updater", needs_triton=False),
        ]
        if self.options.watch is not None:
            workers.append(self._watch(self.options.watch))
        return [*shards, replica, *workers, self._gateway()]

    def _index(self, name: str, shards: tuple[int, ...], group: int, *, read_only: bool = False) -> Service:
        settings = {
            "shards": ",".join(str(shard) for shard in shards),
            "group": str(group),
            "generation": self.space.generation,
            "n_shards": str(self.space.n_shards),
            "snapshot_dir": str(self.home.data / "snapshots" / name),
            "read_only": str(read_only).lower(),
        }
        return self._checked(name, INDEX_MODULE, settings, (BOOTSTRAP,))

    def _worker(self, name: str, module: str, *, needs_triton: bool) -> Service:
        depends_on = (BOOTSTRAP, TRITON) if needs_triton else (BOOTSTRAP,)
        settings = self.options.encoders if needs_triton else {}
        return replace(self._checked(name, module, settings, depends_on), niceness=INGESTION_NICENESS)

    def _watch(self, folder: Path) -> Service:
        return self._checked(
            WATCH_FOLDER,
            "ingest.watch_folder",
            {"folder": str(folder.resolve()), "state_file": str(self.home.data / "watch-folder.json")},
            (BOOTSTRAP,),
        )

    def _gateway(self) -> Service:
        settings = {
            **self._common(),
            "port": str(self.ports.gateway),
            "status_db": str(self.home.data / "gateway-status.sqlite"),
            **self.options.encoders,
            **self.options.gateway,
        }
        return Service(GATEWAY, "gateway", settings, self.ports.gateway, (BOOTSTRAP, TRITON, REDIS))

    def _checked(
        self, name: str, module: str, settings: Mapping[str, str], depends_on: tuple[str, ...]
    ) -> Service:
        """A process that answers for its health on a port of its own."""
        port = self.ports.health[name]
        return Service(name, module, {**self._common(), "health_port": str(port), **settings}, port, depends_on)

    def _common(self) -> dict[str, str]:
        return {
            "kafka_bootstrap": self.kafka_bootstrap,
            "object_store_url": f"file://{self.home.objects}",
            "triton_url": self.ports.triton_address,
            "redis_url": self.ports.redis_url,
            "model_repository": str(self.options.model_repository),
        }
