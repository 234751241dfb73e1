"""librdkafka's mock cluster as a process of its own: a Kafka in memory, for machines where no jars can be had.

`python -m stack.mock_broker ADDRESS_FILE GENERATION N_SHARDS` serves until SIGTERM and writes its address, which
it cannot be told, to the file. It forgets everything when it ends and keeps 5 MiB a partition: never where things
must not be lost. Its topics exist with their right partitions from the start, because it refuses to create any.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterable
from pathlib import Path

import confluent_kafka

from contracts.errors import ConfigurationError
from contracts.topics import TopicSpec, fixed_topics, generation_topics
from runtime.process import run_main, stop_event_on_signals
from stack.home import CHECKOUT
from stack.layout import MOCK_BROKER
from stack.process import ProcessSpec

BANNER = (
    "The broker is librdkafka's mock cluster: in memory, 5 MiB a partition, no replay. Nothing outlives the stack."
)
_PRODUCER = 0  # rd_kafka_type_t, rdkafka.h
_FIRST_BROKER = 1


def mock_spec(run_dir: Path, generation: str, n_shards: int) -> ProcessSpec:
    """The spec of the process. It is not restarted: a new one would have another address and no records."""
    file = _address_file(run_dir)
    file.unlink(missing_ok=True)

    async def ready() -> bool:
        return file.exists()

    return ProcessSpec(
        name=MOCK_BROKER,
        argv=(sys.executable, "-m", "stack.mock_broker", str(file), generation, str(n_shards)),
        env={"PATH": os.environ.get("PATH", ""), "LANG": "C.UTF-8"},
        cwd=CHECKOUT,
        ready=ready,
        max_restarts=0,
    )


def mock_address(run_dir: Path) -> str:
    """Address of the ready mock cluster, host:port."""
    return _address_file(run_dir).read_text()


def serve(address_file: Path, topics: Iterable[TopicSpec]) -> None:
    """Run the mock cluster with these topics until a signal comes.

    Raises:
        ConfigurationError: this build of confluent-kafka has no mock cluster.
    """
    stop = stop_event_on_signals()
    library = _librdkafka()
    error = ctypes.create_string_buffer(512)
    handle = library.rd_kafka_new(_PRODUCER, library.rd_kafka_conf_new(), error, len(error))
    cluster = library.rd_kafka_mock_cluster_new(handle, 1)
    if not handle or not cluster:
        raise ConfigurationError("librdkafka's mock cluster cannot be started.")
    # Without a controller, a client that asks for a topic's id waits until it gives up.
    library.rd_kafka_mock_set_controller_id(cluster, _FIRST_BROKER)
    for topic in topics:
        if library.rd_kafka_mock_topic_create(cluster, topic.name.encode(), topic.partitions, 1) != 0:
            raise ConfigurationError(f"The mock cluster refuses the topic '{topic.name}'.")
    address = library.rd_kafka_mock_cluster_bootstraps(cluster).decode()
    staged = address_file.with_suffix(".new")
    staged.write_text(address)
    staged.replace(address_file)
    stop.wait()
    address_file.unlink(missing_ok=True)


def _address_file(run_dir: Path) -> Path:
    return run_dir / "mock-broker.address"


def _librdkafka() -> ctypes.CDLL:
    """The library that confluent-kafka carries; its mock functions are exported but not wrapped in Python."""
    folder = Path(confluent_kafka.__file__).parents[1] / "confluent_kafka.libs"
    found = sorted(folder.glob("librdkafka-*.so*"))
    if not found:
        raise ConfigurationError("This build of confluent-kafka carries no librdkafka: use another broker.")
    library = ctypes.CDLL(str(found[0]))
    pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
    for name, result, arguments in (
        ("rd_kafka_conf_new", pointer, []),
        ("rd_kafka_new", pointer, [number, pointer, text, ctypes.c_size_t]),
        ("rd_kafka_mock_cluster_new", pointer, [pointer, number]),
        ("rd_kafka_mock_cluster_bootstraps", text, [pointer]),
        ("rd_kafka_mock_set_controller_id", number, [pointer, ctypes.c_int32]),
        ("rd_kafka_mock_topic_create", number, [pointer, text, number, number]),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def main() -> None:
    """Entry point."""
    address_file, generation, n_shards = sys.argv[1:4]
    serve(Path(address_file), (*fixed_topics(), *generation_topics(generation, int(n_shards))))


if __name__ == "__main__":
    run_main(main)
