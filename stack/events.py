"""What the supervisor tells its owner while it works, and the steps that run between process starts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from contracts.errors import TriremeError

EventKind = Literal[
    "starting",
    "ready",
    "unwell",
    "well",
    "died",
    "restarting",
    "given_up",
    "stopping",
    "stopped",
    "removed",
    "step_running",
    "step_done",
]


@dataclass(frozen=True, slots=True)
class StackEvent:
    """Something happened to the process or step `name`.

    Args:
        detail: why it died, or None.
        seconds: for "ready" and "step_done" the time it took; for "restarting" the pause before it.
    """

    name: str
    kind: EventKind
    detail: str | None = None
    seconds: float | None = None


EventSink = Callable[[StackEvent], None]


@dataclass(frozen=True, slots=True)
class SetupStep:
    """Something to do once, after the processes in `depends_on` are ready and before those that depend on it."""

    name: str
    run: Callable[[], Awaitable[None]]
    depends_on: tuple[str, ...] = ()


class StackFailed(TriremeError):
    """The stack cannot come up: a process does not start, or a step failed."""

    code = "stack_failed"
