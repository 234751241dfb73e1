"""Processes that read strangers' files: both sides of how such a process is kept from harming anything but itself.

It holds no credentials of ours, ends with its parent, has a limit on its memory, and is killed without regret.
What it is asked, and what it answers, is its users' affair.
"""

import asyncio
import contextlib
import ctypes
import os
import resource
import signal
import sys
from collections.abc import Mapping
from typing import BinaryIO

PR_SET_PDEATHSIG = 1
_INHERITED = ("PATH", "LD_LIBRARY_PATH", "PYTHONPATH", "TESSDATA_PREFIX", "LANG", "LC_ALL")


async def start_confined(module: str, environ: Mapping[str, str] = os.environ) -> asyncio.subprocess.Process:
    """Start `python -m MODULE PARENT_PID` with pipes, few variables of `environ`, and a group of its own."""
    environment = {name: environ[name] for name in _INHERITED if name in environ}
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        str(os.getpid()),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=environment | {"OMP_THREAD_LIMIT": "1"},
        start_new_session=True,
    )


async def kill_confined(process: asyncio.subprocess.Process) -> None:
    """End the process and everything that it has started, now."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


def end_with_parent(parent_pid: int) -> None:
    """Inside the process: have the kernel end it when its parent dies, in whatever it is doing then."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:  # it ended before we asked for its death to be told
        sys.exit(0)


def private_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Inside the process: input and output under other numbers, so that nothing a library prints gets in."""
    requests, replies = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    return os.fdopen(requests, "rb"), os.fdopen(replies, "wb")


def limit_memory(limit_bytes: int) -> None:
    """Inside the process: at most so much address space, and no core files."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard == resource.RLIM_INFINITY or hard > limit_bytes:
        resource.setrlimit(resource.RLIMIT_AS, (limit_bytes, hard))
