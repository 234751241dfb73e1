"""One running child process: started in a process group of its own, dying with its parent, stopped with its group.

Decides nothing about restarts: `stack.supervisor` does.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from stack.process import ProcessSpec

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_LIBC = ctypes.CDLL(None, use_errno=True)
KILL_TIMEOUT_S = 5.0
KEPT_LOGS = 3


@dataclass(frozen=True, slots=True)
class Child:
    """A started process and the spec it was started from."""

    spec: ProcessSpec
    process: asyncio.subprocess.Process

    @property
    def pid(self) -> int:
        return self.process.pid

    async def ended(self) -> str:
        """Wait until it ends; says how in words ("exit code 1", "signal SIGKILL")."""
        return describe_exit(await self.process.wait())

    async def stop(self) -> None:
        """Ask it to end, wait `stop_timeout_s`, then kill its whole group. Returns when it is gone."""
        if self.process.returncode is None:
            self._signal(self.spec.stop_signal)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.process.wait(), self.spec.stop_timeout_s)
        self._signal_group(signal.SIGKILL)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.process.wait(), KILL_TIMEOUT_S)
        self._tidy_up()

    def clear_away(self) -> None:
        """After it has ended by itself: kill what is left of its group, and tidy up.

        A dead server's helpers must not outlive it.
        """
        self._signal_group(signal.SIGKILL)
        self._tidy_up()

    def _tidy_up(self) -> None:
        if self.spec.after_exit is not None:
            self.spec.after_exit()

    def _signal_group(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)


async def start_child(spec: ProcessSpec, log: Path) -> Child:
    """Start a process with its output appended to `log`.

    It leads a group and a session of its own, so that a Ctrl-C in the terminal reaches the supervisor alone. The
    kernel kills it when the supervisor dies, however that happens. Call from the main thread: the kernel ties
    the signal to the thread that forked.

    Raises:
        OSError: the program does not exist or cannot be run.
    """
    parent = os.getpid()
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *spec.argv,
            env=dict(spec.env),
            cwd=spec.cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=lambda: _die_with(parent),
        )
    return Child(spec, process)


def rotate_log(log: Path) -> None:
    """Put the last run's log aside as `<name>.log.1`; older ones move up, `KEPT_LOGS` are kept."""
    if not log.exists():
        return
    for age in range(KEPT_LOGS - 1, 0, -1):
        older = log.with_name(f"{log.name}.{age}")
        if older.exists():
            older.replace(log.with_name(f"{log.name}.{age + 1}"))
    log.replace(log.with_name(f"{log.name}.1"))


def describe_exit(code: int) -> str:
    """How a process ended, in words, from its return code as `subprocess` gives it."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"


def _die_with(parent: int) -> None:
    """Runs in the child between fork and exec; nothing here may take a lock."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
