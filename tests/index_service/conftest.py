"""A real broker for the process tests of this folder."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from stack.ports import free_ports
from stack.process import ProcessSpec
from stack.servers.java import find_java
from stack.servers.kafka import KafkaNode, KafkaPorts, prepare_kafka
from tests.index_service.running import Generation
from tests.stack.servers.conftest import PATHS, becomes_ready, last_words, needs, started


def broker(folder: Path) -> ProcessSpec:
    """A broker with its data in `folder`, not started yet."""
    java = find_java(PATHS.java_wheel)
    needs(java is not None and PATHS.kafka_jars.is_dir(), "the broker")
    assert java is not None
    node = KafkaNode(java.executable, PATHS.kafka_jars, PATHS.kafka_log4j, folder)
    return prepare_kafka(node, KafkaPorts(*free_ports(2)))


def address(spec: ProcessSpec) -> str:
    """Where clients find the broker."""
    return f"127.0.0.1:{spec.ports['clients']}"


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a running broker."""
    folder = tmp_path_factory.mktemp("kafka")
    spec = broker(folder / "data")
    with started(spec, folder / "log") as process:
        assert asyncio.run(becomes_ready(spec, process)), last_words(folder / "log")
        yield address(spec)


@pytest.fixture
def generation(kafka: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Generation]:
    """A generation of the test's own, with three shards; its processes end with the test."""
    name = f"g-{abs(hash(request.node.name)) % 10**9}"
    generation = Generation(kafka, name, 3, tmp_path)
    yield generation
    generation.close()
