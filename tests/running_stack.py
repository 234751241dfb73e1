"""A real stack for tests: `trireme up` in a process and a home of its own, on free ports."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

from client.client import TriremeClient
from contracts.errors import NotFound
from stack.home import DEFAULT_HOME, StackHome
from stack.state import ProcessView, StackState, read_state

START_TIMEOUT_S = 180.0
STOP_TIMEOUT_S = 60.0
RECOVERY_TIMEOUT_S = 90.0
POLL_S = 0.05


def until(condition: Callable[[], bool], what: str, timeout_s: float = RECOVERY_TIMEOUT_S) -> None:
    """Wait until `condition` holds; fails the test when it never does."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout_s:.0f} s: {what}"
        time.sleep(POLL_S)


class RunningStack:
    """One `trireme up`. Its home is deleted at the end, logs excepted when something went wrong.

    Args:
        name: part of the home's name.
        arguments: further options of `trireme up`.
    """

    def __init__(self, name: str, *arguments: str) -> None:
        self.home = StackHome(DEFAULT_HOME / f"test-{name}-{os.getpid()}")
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None
        self._client: TriremeClient | None = None

    @property
    def url(self) -> str:
        return self.state().gateway_url

    @property
    def client(self) -> TriremeClient:
        """A client of its gateway."""
        if self._client is None:
            self._client = TriremeClient(self.url, timeout_s=60.0)
        return self._client

    @property
    def output(self) -> str:
        """What `trireme up` has printed."""
        return (self.home.root / "output.txt").read_text(errors="replace")

    @property
    def supervisor_pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start and wait until all of it is ready."""
        self.home.create()
        with (self.home.root / "output.txt").open("wb") as output:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "cli.main",
                    "up",
                    "--home",
                    str(self.home.root),
                    "--port",
                    "0",
                    *self._arguments,
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        until(self._is_up_or_dead, "the stack is up", START_TIMEOUT_S)
        assert self._process.poll() is None, self.output

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """Stop it as a Ctrl-C does and return its exit status."""
        assert self._process is not None
        if self._client is not None:
            self._client.close()
            self._client = None
        self._process.send_signal(number)
        return self._process.wait(STOP_TIMEOUT_S)

    def remove(self) -> None:
        """Delete its home."""
        shutil.rmtree(self.home.root, ignore_errors=True)

    def state(self) -> StackState:
        return read_state(self.home)

    def process(self, name: str) -> ProcessView:
        return self.state().process(name)

    def pids(self) -> dict[str, int | None]:
        return {view.name: view.pid for view in self.state().processes}

    def kill(self, name: str) -> None:
        """kill -9 one process and wait until the supervisor has it ready again."""
        with self.killed(name):
            pass

    @contextlib.contextmanager
    def killed(self, name: str) -> Iterator[None]:
        """kill -9 one process; at the end of the block wait until the supervisor has it ready again."""
        before = self.process(name)
        self.send(name, signal.SIGKILL)
        yield
        until(
            lambda: self.process(name).restarts > before.restarts and self.process(name).state == "ready",
            f"{name} is ready again",
        )

    def send(self, name: str, number: signal.Signals) -> None:
        pid = self.process(name).pid
        assert pid is not None, f"{name} does not run"
        os.kill(pid, number)

    @contextlib.contextmanager
    def paused(self, *names: str) -> Iterator[None]:
        """Freeze processes: they hold their connections and answer nothing, as a machine does that hangs."""
        for name in names:
            self.send(name, signal.SIGSTOP)
        try:
            yield
        finally:
            for name in names:
                self.send(name, signal.SIGCONT)
            until(self.is_well, f"{', '.join(names)} recovered")

    def is_well(self) -> bool:
        """Whether every process is ready and the gateway says that it can search."""
        return all(view.state == "ready" for view in self.state().processes) and bool(self.client.ready()["ready"])

    def _is_up_or_dead(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            return True
        with contextlib.suppress(NotFound):
            return self.state().phase == "ready"
        return False


@contextlib.contextmanager
def running(name: str, *arguments: str) -> Iterator[RunningStack]:
    """A stack for the time of a block; nothing of it is left afterwards."""
    stack = RunningStack(name, *arguments)
    try:
        stack.start()
        yield stack
        assert stack.stop() == 0
    except BaseException:
        with contextlib.suppress(AssertionError, ProcessLookupError, subprocess.TimeoutExpired):
            stack.stop()
        raise
    stack.remove()
