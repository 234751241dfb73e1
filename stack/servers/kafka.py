"""The embedded broker: one Apache Kafka node in KRaft mode, on loopback, with little memory.

Says how the node is configured, formatted and started. Fetches no jars (`stack.setup` does) and starts no
broker: the supervisor does. Creates no topics.
"""

from __future__ import annotations

import asyncio
import base64
import os
import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from contracts.errors import ConfigurationError
from runtime.kafka_address import connection
from stack.ports import LOOPBACK
from stack.process import ProcessSpec

NODE_ID = 1
# Start takes 3-5 s on two idle cores and up to 20 s on busy ones; a long log after a crash adds to it.
READY_TIMEOUT_S = 90.0
METADATA_TIMEOUT_S = 3.0
FORMAT_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0
HEAP = "256m"

SETTINGS = {
    "process.roles": "broker,controller",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "CLIENTS",
    "listener.security.protocol.map": "CLIENTS:PLAINTEXT,CONTROLLER:PLAINTEXT",
    # Topics are created with their own settings before anyone uses them.
    "auto.create.topics.enable": "false",
    "delete.topic.enable": "true",
    # One node keeps one copy; few partitions for its own topics, each of which is a folder and open files.
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "2",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    "default.replication.factor": "1",
    "min.insync.replicas": "1",
    # Groups form at once: members of this stack do not trickle in.
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "3000",
    # A killed broker may register again only when the session of its former life has ended, 9 s by default.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    # Small files, and a cleaner and indexes with little memory.
    "log.segment.bytes": str(64 * 1024 * 1024),
    "log.index.size.max.bytes": str(1024 * 1024),
    "log.cleaner.threads": "1",
    "log.cleaner.dedupe.buffer.size": str(8 * 1024 * 1024),
    "log.cleaner.io.buffer.size": str(256 * 1024),
    "log.retention.check.interval.ms": "30000",
    "num.network.threads": "2",
    "num.io.threads": "3",
    "num.replica.fetchers": "1",
    "background.threads": "2",
    "num.recovery.threads.per.data.dir": "2",
    "message.max.bytes": str(1024 * 1024),
    "socket.request.max.bytes": str(8 * 1024 * 1024),
    "fetch.purgatory.purge.interval.requests": "100",
    "producer.purgatory.purge.interval.requests": "100",
}
"""What does not depend on where the node runs. https://kafka.apache.org/documentation/#brokerconfigs"""

JVM_FLAGS = (
    f"-Xmx{HEAP}",
    "-Xms64m",
    "-XX:+UseSerialGC",
    # Start-up counts here, peak throughput does not: the first compiler is enough.
    "-XX:TieredStopAtLevel=1",
    "-XX:MaxMetaspaceSize=128m",
    "-XX:ReservedCodeCacheSize=48m",
    "-XX:MaxDirectMemorySize=64m",
    "-Xss512k",
    "-XX:+ExitOnOutOfMemoryError",
    "-Djava.awt.headless=true",
    "-Dlog4j2.disableJmx=true",
)


class KafkaSetupError(ConfigurationError):
    """The node cannot be formatted or started; says why."""


@dataclass(frozen=True, slots=True)
class KafkaPorts:
    clients: int
    controller: int


@dataclass(frozen=True, slots=True)
class KafkaNode:
    """Where one node lives: the Java that runs it, its jars, its logging configuration, its data folder."""

    java: Path
    libs: Path
    log4j: Path
    data: Path

    @property
    def properties(self) -> Path:
        return self.data / "server.properties"

    @property
    def logs(self) -> Path:
        """The folder of the partitions' logs and of the metadata log."""
        return self.data / "logs"


def kafka_properties(node: KafkaNode, ports: KafkaPorts) -> str:
    """The node's `server.properties`. The ports may change from start to start; the cluster stays the same."""
    placed = {
        "node.id": str(NODE_ID),
        "controller.quorum.voters": f"{NODE_ID}@{LOOPBACK}:{ports.controller}",
        "listeners": f"CLIENTS://{LOOPBACK}:{ports.clients},CONTROLLER://{LOOPBACK}:{ports.controller}",
        "advertised.listeners": f"CLIENTS://{LOOPBACK}:{ports.clients}",
        "log.dirs": str(node.logs),
    }
    return "".join(f"{key}={value}\n" for key, value in {**SETTINGS, **placed}.items())


def prepare_kafka(node: KafkaNode, ports: KafkaPorts) -> ProcessSpec:
    """Write the configuration, format the data folder when it is new, and describe the broker's process.

    Raises:
        KafkaSetupError: formatting failed.
    """
    node.data.mkdir(parents=True, exist_ok=True)
    node.properties.write_text(kafka_properties(node, ports))
    if not (node.logs / "meta.properties").exists():
        format_storage(node)
    return kafka_spec(node, ports)


def kafka_spec(node: KafkaNode, ports: KafkaPorts, *, address: str | None = None) -> ProcessSpec:
    """Describe the broker's process over a formatted data folder.

    Args:
        address: how its readiness is asked for, where that takes more than its port (`runtime.kafka_address`).
    """
    asked = address or f"{LOOPBACK}:{ports.clients}"

    async def ready() -> bool:
        return await asyncio.to_thread(answers_metadata, asked)

    return ProcessSpec(
        name="kafka",
        argv=(*java_command(node), "kafka.Kafka", str(node.properties)),
        env=java_environment(),
        cwd=node.data,
        ports={"clients": ports.clients, "controller": ports.controller},
        ready=ready,
        ready_timeout_s=READY_TIMEOUT_S,
        stop_timeout_s=STOP_TIMEOUT_S,
    )


def cluster_id(data: Path) -> str:
    """The cluster's id, made once and kept in the data folder: snapshots name it, so it must not change."""
    path = data / "cluster_id"
    if not path.exists():
        staged = path.with_suffix(".new")
        # Kafka's own form: a UUID's 16 bytes in URL-safe base64 without padding.
        staged.write_text(base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("="))
        staged.replace(path)
    return path.read_text().strip()


def format_storage(node: KafkaNode) -> None:
    """Format the node's log folder with its cluster id. Takes about a second.

    Raises:
        KafkaSetupError: the tool failed; the message is its own.
    """
    command = (
        *java_command(node),
        "kafka.tools.StorageTool",
        "format",
        f"--cluster-id={cluster_id(node.data)}",
        f"--config={node.properties}",
        "--ignore-formatted",
    )
    try:
        result = subprocess.run(
            command, env=java_environment(), capture_output=True, text=True, timeout=FORMAT_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise KafkaSetupError(f"formatting {node.logs} did not run: {error}") from error
    if result.returncode != 0:
        raise KafkaSetupError(f"formatting {node.logs} failed: {(result.stderr or result.stdout).strip()[-500:]}")


def java_command(node: KafkaNode) -> tuple[str, ...]:
    """Java with the flags and the class path, without the class to run."""
    return (
        str(node.java),
        *JVM_FLAGS,
        f"-Dlog4j2.configurationFile={node.log4j}",
        "-cp",
        f"{node.libs}/*",
    )


def java_environment() -> dict[str, str]:
    """The JVM's whole environment."""
    kept = {name: os.environ[name] for name in ("HOME", "TMPDIR", "JAVA_HOME") if name in os.environ}
    # glibc's arenas for each thread cost a Java process with many threads tens of megabytes.
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "MALLOC_ARENA_MAX": "2", **kept}


def answers_metadata(address: str) -> bool:
    """Whether a broker there says within `METADATA_TIMEOUT_S` that every partition has a leader."""
    admin = AdminClient(
        {**connection(address), "socket.timeout.ms": int(METADATA_TIMEOUT_S * 1000), "log_level": 0}
    )
    try:
        cluster = admin.list_topics(timeout=METADATA_TIMEOUT_S)
    except KafkaException:
        return False
    # After a restart the broker answers a moment before its partitions are led again.
    led = all(part.leader >= 0 for topic in cluster.topics.values() for part in topic.partitions.values())
    return bool(cluster.brokers) and led
