"""Trireme's own processes in the embedded stack: which there are, and what each is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from contracts.generations import Generation
from contracts.search import CPU_GROUP, PRIMARY_GROUP
from stack.bootstrap import DataSpace
from stack.home import StackHome
from stack.layout import (
    BOOTSTRAP,
    GATEWAY,
    JOINT_UPDATER,
    REDIS,
    TEXT_EMBEDDER,
    TRITON,
    VISION_EMBEDDER,
    WATCH_FOLDER,
    StackPorts,
    replica_name,
    shard_name,
)
from stack.options import StackOptions
from stack.ports import free_ports
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
        """Those that do not belong to a generation of the index, in the order in which people like to see them."""
        return [service_spec(service) for service in self._services()]

    def index_specs(self, generation: Generation) -> list[ProcessSpec]:
        """The index processes of one generation, on ports of their own."""
        names = self.index_names(generation.name, generation.n_shards)
        first = generation.name == self.space.generation
        ports = [self.ports.health[name] for name in names] if first else self._more_ports(len(names))
        hosted = [*((shard,) for shard in range(generation.n_shards)), tuple(range(generation.n_shards))]
        return [
            service_spec(self._index(name, shards, generation, port, read_only=name == names[-1]))
            for name, shards, port in zip(names, hosted, ports, strict=True)
        ]

    def _more_ports(self, count: int) -> list[int]:
        """Free ports that are not chosen for anything else, whether that listens already or not."""
        ours = {self.ports.gateway, self.ports.redis, *self.ports.health.values()}
        ours |= {self.ports.kafka.clients, self.ports.kafka.controller}
        ours |= {self.ports.triton.http, self.ports.triton.grpc, self.ports.triton.metrics}
        return [port for port in free_ports(count + len(ours)) if port not in ours][:count]

    def index_names(self, generation: str, n_shards: int) -> list[str]:
        """Names of the index processes of one generation: its shards, then its replica."""
        prefix = None if generation == self.space.generation else generation
        return [*(shard_name(shard, prefix) for shard in range(n_shards)), replica_name(prefix)]

    def snapshots(self, names: Sequence[str]) -> list[Path]:
        """The folders that index processes of these names keep."""
        return [self.home.data / "snapshots" / name for name in names]

    def _services(self) -> list[Service]:
        workers = [
            self._worker(TEXT_EMBEDDER, "ingest.text_embedder", needs_triton=True),
            self._worker(VISION_EMBEDDER, "ingest.vision_embedder", needs_triton=True),
            self._worker(JOINT_UPDATER, "ingest.joint_updater", needs_triton=False),
        ]
        if self.options.watch is not None:
            workers.append(self._watch(self.options.watch))
        return [*workers, self._gateway()]

    def _index(
        self, name: str, shards: tuple[int, ...], generation: Generation, port: int, *, read_only: bool
    ) -> Service:
        settings = {
            "shards": ",".join(str(shard) for shard in shards),
            "group": str(CPU_GROUP if read_only else PRIMARY_GROUP),
            "generation": generation.name,
            "space_id": generation.space_id,
            "n_shards": str(generation.n_shards),
            "snapshot_dir": str(self.snapshots([name])[0]),
            "read_only": str(read_only).lower(),
            "index": msgspec.json.encode({"kind": generation.parameters.segment_kind}).decode(),
        }
        return self._checked(name, INDEX_MODULE, settings, (BOOTSTRAP,), port=port)

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
        self,
        name: str,
        module: str,
        settings: Mapping[str, str],
        depends_on: tuple[str, ...],
        *,
        port: int | None = None,
    ) -> Service:
        """A process that answers for its health on a port of its own."""
        port = self.ports.health[name] if port is None else port
        return Service(name, module, {**self._common(), "health_port": str(port), **settings}, port, depends_on)

    def _common(self) -> dict[str, str]:
        return {
            "kafka_bootstrap": self.kafka_bootstrap,
            "object_store_url": f"file://{self.home.objects}",
            "triton_url": self.ports.triton_address,
            "redis_url": self.ports.redis_url,
            "trace_dir": str(self.home.traces),
            "model_repository": str(self.options.model_repository),
        }
