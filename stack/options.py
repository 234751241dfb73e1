"""What a person can decide about the embedded stack."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from contracts.errors import Conflict, InvalidInput
from stack.home import CHECKOUT, DEFAULT_HOME, StackHome
from stack.ports import free_ports, is_free
from stack.servers.triton import CPU

DEFAULT_PORT = 8080
DEFAULT_MODELS = CHECKOUT / "model_repository"
_ADDRESS = re.compile(r"[A-Za-z0-9.\-]+:\d{1,5}(,[A-Za-z0-9.\-]+:\d{1,5})*")

BrokerKind = Literal["kafka", "external", "mock"]


@dataclass(frozen=True, slots=True)
class StackOptions:
    """Choices for one start.

    Args:
        broker: "kafka" for an Apache Kafka of our own, "mock" for one in memory, else an address host:port.
        port: the gateway's; None takes 8080 when it is free, else any free one.
        watch: a folder whose files are ingested as they appear.
        reset: delete all documents and indexes of the home first.
        device: which of each model's configurations Triton takes: "cpu" is config.pbtxt, another NAME
            configs/NAME.pbtxt where there is one.
        gateway: further settings of the gateway, without prefix and in lower case.
        encoders: further settings of the processes that embed: the gateway and both embedders. May hold a key.
    """

    home: StackHome = field(default_factory=lambda: StackHome(DEFAULT_HOME))
    broker: str = "kafka"
    port: int | None = None
    watch: Path | None = None
    reset: bool = False
    device: str = CPU
    n_shards: int = 3
    model_repository: Path = DEFAULT_MODELS
    gateway: Mapping[str, str] = field(default_factory=dict)
    encoders: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        """Refuse what would bring deleted documents back: a reset empties this home, not somebody's broker.

        Raises:
            InvalidInput: a reset with a broker that is not ours.
        """
        if self.reset and self.broker_kind == "external":
            raise InvalidInput(
                "--reset empties this stack's own folder, but the records on another broker would bring its "
                "documents back. Delete the topics there first, and start without --reset in a new --home."
            )

    @property
    def broker_kind(self) -> BrokerKind:
        """Which kind of broker that is.

        Raises:
            InvalidInput: neither a known name nor an address.
        """
        if self.broker == "kafka":
            return "kafka"
        if self.broker == "mock":
            return "mock"
        if _ADDRESS.fullmatch(self.broker):
            return "external"
        raise InvalidInput(f"The broker '{self.broker}' is neither 'kafka', 'mock' nor HOST:PORT.")


def choose_gateway_port(wanted: int | None) -> int:
    """The gateway's port: the one that was asked for, else 8080 when it is free, else any free one.

    Raises:
        Conflict: the port that was asked for is taken.
    """
    if wanted is None:
        return DEFAULT_PORT if is_free(DEFAULT_PORT) else free_ports(1)[0]
    if wanted == 0:
        return free_ports(1)[0]
    if not is_free(wanted):
        raise Conflict(f"Port {wanted} is taken by another program. Choose another with --port.")
    return wanted
