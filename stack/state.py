"""What a running stack tells others about itself: one JSON file, replaced in one step at every change."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from contracts.errors import BadMessage, NotFound
from stack.home import StackHome

ProcessState = Literal["waiting", "starting", "ready", "unhealthy", "restarting", "given_up", "stopped"]
StackPhase = Literal["starting", "ready", "stopping"]


class ProcessView(msgspec.Struct, frozen=True, kw_only=True):
    """One process as others see it.

    Args:
        pid: None while it does not run.
        started_ms: Unix time in ms of the last start.
        ready_after_s: seconds from that start to ready, None before.
        restarts: how often it was started again after it had died.
        detail: why it died last, or what it waits for.
    """

    name: str
    state: ProcessState = "waiting"
    pid: int | None = None
    ports: dict[str, int] = msgspec.field(default_factory=dict)
    started_ms: int | None = None
    ready_after_s: float | None = None
    restarts: int = 0
    detail: str | None = None
    log: str = ""


class StackState(msgspec.Struct, frozen=True, kw_only=True):
    """The whole stack. Addresses are filled in when the processes' ports are chosen."""

    supervisor_pid: int
    phase: StackPhase
    started_ms: int
    gateway_url: str
    kafka_bootstrap: str
    broker: Literal["kafka", "external", "mock"]
    object_store_url: str
    generation: str
    space_id: str
    n_shards: int
    processes: tuple[ProcessView, ...] = ()

    def process(self, name: str) -> ProcessView:
        """The view of one process.

        Raises:
            NotFound: the stack has no such process.
        """
        for view in self.processes:
            if view.name == name:
                return view
        raise NotFound(f"The stack has no process named '{name}'.")


def write_state(path: Path, state: StackState) -> None:
    """Replace the state file in one step, so that a reader sees the old or the new one, never half."""
    staged = path.with_suffix(".json.new")
    staged.write_bytes(msgspec.json.format(msgspec.json.encode(state), indent=1))
    staged.replace(path)


def read_state(home: StackHome) -> StackState:
    """State of the stack that runs in this home.

    A killed stack leaves its file behind, and the next holds the home for a moment before it writes its own.

    Raises:
        NotFound: none runs here.
        BadMessage: another version wrote the file.
    """
    state = last_state(home)
    if state is None or state.supervisor_pid != home.holder():
        raise NotFound("No stack is running here. Start one with `trireme up`.")
    return state


def last_state(home: StackHome) -> StackState | None:
    """What the stack that ran last in this home wrote, whether it still runs or not.

    Raises:
        BadMessage: another version wrote the file.
    """
    try:
        return msgspec.json.decode(home.state_file.read_bytes(), type=StackState)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as exc:
        raise BadMessage("The stack's state file cannot be read: it was written by another version.") from exc
