"""Processor time by process of a running stack, children included: which of them the cores were spent on."""

from __future__ import annotations

import psutil

from stack.state import StackState


def cpu_seconds(state: StackState) -> dict[str, float]:
    """Seconds of processor time that each process and its children, dead ones too, have used so far."""
    used = {}
    for view in state.processes:
        if view.pid is not None:
            used[view.name] = _with_children(psutil.Process(view.pid))
    return used


def spent(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    """Seconds between two looks, the most first."""
    seconds = {name: after[name] - before.get(name, 0.0) for name in after}
    return dict(sorted(seconds.items(), key=lambda entry: -entry[1]))


def _with_children(process: psutil.Process) -> float:
    total = 0.0
    for each in [process, *process.children(recursive=True)]:
        try:
            times = each.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total
