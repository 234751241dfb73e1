"""Child processes of the benchmark: started, waited for, measured by the time that they spend on processors."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import psutil

from stack.events import StackFailed

_READY_WITHIN_S = 180.0
_ENDS_WITHIN_S = 10.0


@dataclass(frozen=True, slots=True)
class Child:
    """A process that serves on a port."""

    pid: int
    port: int


@asynccontextmanager
async def child(
    module: str, arguments: Sequence[str], environment: Mapping[str, str] | None = None
) -> AsyncIterator[Child]:
    """A Python module as a process, for as long as the block lasts; ready once it has printed its port.

    Raises:
        StackFailed: it ended, or was not ready in time.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *arguments, env=environment, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        try:
            async with asyncio.timeout(_READY_WITHIN_S):
                line = await process.stdout.readline()
        except TimeoutError as exc:
            raise StackFailed(f"{module} was not ready in {_READY_WITHIN_S:.0f} s.") from exc
        if not line:
            raise StackFailed(f"{module} ended with status {await process.wait()}.")
        yield Child(process.pid, int(line))
    finally:
        if process.returncode is None:
            process.terminate()
        try:
            async with asyncio.timeout(_ENDS_WITHIN_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far, all threads together."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)
