"""Which Triton a sub-command means, how to come in, and which repository that reads."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from cli.target import running_stack
from contracts.errors import InvalidInput
from stack.home import CHECKOUT
from stack.layout import TRITON
from stack.ports import LOOPBACK
from stack.servers.triton_control import ModelControl, model_control

TritonOption = Annotated[
    str | None,
    typer.Option("--triton", metavar="HOST:PORT", help="Triton's gRPC door; that of the stack running here else."),
]
RemoteOption = Annotated[
    bool,
    typer.Option(
        "--remote", help="--triton may name another machine: who may load models there may run code there."
    ),
]
KeyOption = Annotated[
    str | None,
    typer.Option("--admin-key", envvar="TRITON_ADMIN_KEY", help="For a Triton that lets only its keepers load."),
]
RepositoryOption = Annotated[Path, typer.Option("--repository", help="The model repository that Triton reads.")]
REPOSITORY = CHECKOUT / "model_repository"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Target:
    """One Triton, and how to come in."""

    address: str
    admin_key: str | None

    def run(self, work: Callable[[ModelControl], Awaitable[T]]) -> T:
        """Do `work` with the control of this server, in an event loop of its own."""

        async def in_loop() -> T:
            async with model_control(self.address, admin_key=self.admin_key) as control:
                return await work(control)

        return asyncio.run(in_loop())


def address_of(triton: str | None, home: Path | None) -> str:
    """The address that `--triton` names, else that of the stack running here.

    Raises:
        InvalidInput: it is no HOST:PORT. NotFound: none was named and no stack runs.
    """
    if triton is None:
        return f"{LOOPBACK}:{running_stack(home).process(TRITON).ports['grpc']}"
    host, _, port = triton.rpartition(":")
    if not host or not port.isdigit():
        raise InvalidInput(f"--triton {triton} is not HOST:PORT.")
    return triton


def control_address(triton: str | None, home: Path | None, *, remote: bool) -> str:
    """As `address_of`, for commands that change what is loaded.

    Raises:
        InvalidInput: it is another machine, and nobody said that this is meant.
    """
    address = address_of(triton, home)
    if not remote and not _is_loopback(address.rpartition(":")[0]):
        raise InvalidInput(
            f"{address} is not on this machine. Loading a model runs code there: say --remote when that is meant."
        )
    return address


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
