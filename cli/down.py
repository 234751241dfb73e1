"""`trireme down`: stops the stack that runs here and waits until all its processes are gone."""

from __future__ import annotations

import contextlib
import os
import signal
import time

from cli.console import out
from cli.target import HomeOption, home_at
from contracts.errors import DeadlineExceeded
from stack.state import read_state

STOP_TIMEOUT_S = 60.0


def run(home: HomeOption = None) -> None:
    """Stop the running stack."""
    place = home_at(home)
    state = read_state(place)
    with contextlib.suppress(ProcessLookupError):
        os.kill(state.supervisor_pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_TIMEOUT_S
    while place.is_locked():
        if time.monotonic() > deadline:
            raise DeadlineExceeded(f"The stack did not stop within {STOP_TIMEOUT_S:.0f} s.")
        time.sleep(0.1)
    out.print("Stopped.")
