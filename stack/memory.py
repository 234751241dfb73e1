"""How much memory a stack's processes hold, with pages that they share counted once."""

from __future__ import annotations

from collections.abc import Iterable

import psutil


def resident_bytes(pid: int) -> int | None:
    """Resident memory of a process and all it has started; None when it is gone.

    Proportional set size where the kernel tells it: ten Python processes share their libraries.
    """
    try:
        root = psutil.Process(pid)
        return sum(_of(process) for process in (root, *root.children(recursive=True)))
    except psutil.NoSuchProcess:
        return None


def total_bytes(pids: Iterable[int]) -> int:
    """Resident memory of several processes together."""
    return sum(resident_bytes(pid) or 0 for pid in pids)


def _of(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.AccessDenied:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0
