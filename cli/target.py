"""Which gateway and which home a sub-command means: the one that was named, else the stack running here."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from client.client import DEFAULT_TIMEOUT_S, TriremeClient
from stack.home import DEFAULT_HOME, StackHome
from stack.state import StackState, read_state

# Not an option: what stands on a command line is seen by everybody on the machine.
API_KEY_VARIABLE = "TRIREME_API_KEY"

HomeOption = Annotated[
    Path | None,
    typer.Option(
        "--home", help="The stack's folder for data, logs and state; .trireme of the checkout by default."
    ),
]


def home_at(path: Path | None) -> StackHome:
    """The home that `--home` names, or the checkout's own."""
    return StackHome(path.resolve() if path else DEFAULT_HOME)


def running_stack(home: Path | None) -> StackState:
    """The stack running in this home.

    Raises:
        NotFound: none runs there.
    """
    return read_state(home_at(home))


def open_client(url: str | None, home: Path | None, *, timeout_s: float = DEFAULT_TIMEOUT_S) -> TriremeClient:
    """A client of the gateway at `url`, or of the stack running in this home."""
    return client_of(url or running_stack(home).gateway_url, timeout_s=timeout_s)


def client_of(url: str, *, timeout_s: float = DEFAULT_TIMEOUT_S) -> TriremeClient:
    """A client of the gateway at `url`, with the key of the environment where there is one."""
    return TriremeClient(url, api_key=os.environ.get(API_KEY_VARIABLE) or None, timeout_s=timeout_s)
