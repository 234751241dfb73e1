"""Names and ports of the embedded stack's processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from stack.ports import LOOPBACK, free_ports
from stack.servers.kafka import KafkaPorts
from stack.servers.triton import TritonPorts

TRITON, KAFKA, REDIS, MOCK_BROKER = "triton", "kafka", "redis", "mock-broker"
REPLICA, TEXT_EMBEDDER, VISION_EMBEDDER = "replica", "text-embedder", "vision-embedder"
JOINT_UPDATER, WATCH_FOLDER, GATEWAY = "joint-updater", "watch-folder", "gateway"

# The set-up step between Kafka and everything that uses it.
BOOTSTRAP = "topics"
# The step after everything else.
FIRST_SEARCH = "first search"


def shard_name(shard: int, generation: str | None = None) -> str:
    """Process name of a shard's server in the primary group; None stands for the stack's first generation."""
    return f"{generation}-shard-{shard}" if generation else f"shard-{shard}"


def replica_name(generation: str | None = None) -> str:
    """Process name of the replica; None stands for the stack's first generation."""
    return f"{generation}-{REPLICA}" if generation else REPLICA


@dataclass(frozen=True, slots=True)
class StackPorts:
    """Every port of one stack. `health` is by process name."""

    triton: TritonPorts
    kafka: KafkaPorts
    redis: int
    gateway: int
    health: Mapping[str, int]

    @property
    def kafka_address(self) -> str:
        return f"{LOOPBACK}:{self.kafka.clients}"

    @property
    def triton_address(self) -> str:
        return f"{LOOPBACK}:{self.triton.grpc}"

    @property
    def redis_url(self) -> str:
        return f"redis://{LOOPBACK}:{self.redis}/0"

    @property
    def gateway_url(self) -> str:
        return f"http://{LOOPBACK}:{self.gateway}"


def choose_ports(n_shards: int, gateway: int) -> StackPorts:
    """Free ports for everything but the gateway, whose port is given."""
    checked = (
        *(shard_name(shard) for shard in range(n_shards)),
        REPLICA,
        TEXT_EMBEDDER,
        VISION_EMBEDDER,
        JOINT_UPDATER,
        WATCH_FOLDER,
    )
    found = iter(port for port in free_ports(7 + len(checked)) if port != gateway)
    return StackPorts(
        triton=TritonPorts(http=next(found), grpc=next(found), metrics=next(found)),
        kafka=KafkaPorts(clients=next(found), controller=next(found)),
        redis=next(found),
        gateway=gateway,
        health={name: next(found) for name in checked},
    )
