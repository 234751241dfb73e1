"""What a process of the stack is, as data: command, environment, ports, readiness, restarts.

Starts nothing: `stack.supervisor` does. Knows no server: `stack.servers` and `stack.services` build these.
"""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

ReadyProbe = Callable[[], Awaitable[bool]]
"""Answers whether the process does its work now. Never raises; bounds its own waits to a few seconds."""


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """One process that the supervisor starts, waits for, watches and stops.

    `env` is the whole environment, not an addition to the caller's. `ready` is asked again and again until it
    answers true or `ready_timeout_s` has passed; None means ready once started. `depends_on` names processes
    that must be ready first. After `stop_signal` the process has `stop_timeout_s` to end before it is killed.
    A process that ends by itself is restarted at most `max_restarts` times. `after_exit` is called each time it
    has ended, however it did, and tidies up what a killed process leaves behind; it must be quick.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: Path
    ports: Mapping[str, int] = field(default_factory=dict)
    ready: ReadyProbe | None = None
    ready_timeout_s: float = 60.0
    stop_signal: signal.Signals = signal.SIGTERM
    stop_timeout_s: float = 10.0
    depends_on: tuple[str, ...] = ()
    max_restarts: int = 5
    after_exit: Callable[[], object] | None = None
