"""Starts processes in the order of their dependencies, watches them, restarts what dies, stops all in reverse.

Independent processes start side by side. Knows nothing of what the processes do: that is in their specs.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from stack.child import rotate_log
from stack.events import EventSink, SetupStep, StackEvent
from stack.process import ProcessSpec
from stack.state import ProcessView
from stack.watched import Watched

HEALTH_PAUSE_S = 3.0


class Supervisor:
    """Owns the processes of one stack.

    Args:
        logs: folder for `<name>.log`, one per process; logs of the last run are put aside.
        on_event: called on the event loop at every change; must not block.
        health_pause_s: how often a process that is up is asked whether it is still well.
    """

    def __init__(self, logs: Path, on_event: EventSink, *, health_pause_s: float = HEALTH_PAUSE_S) -> None:
        self._logs = logs
        self._health_pause_s = health_pause_s
        self._on_event = on_event
        self._watched: dict[str, Watched] = {}
        self._ready: dict[str, asyncio.Event] = {}
        self._needs: dict[str, tuple[str, ...]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def start(self, specs: Sequence[ProcessSpec], steps: Sequence[SetupStep] = ()) -> None:
        """Start all and return when every process is ready and every step done. May be called again with more.

        Raises:
            StackFailed: one of them did not come up; the others go on running until `stop()`.
            ValueError: a dependency that does not exist, or that goes in a circle.
        """
        self._check_order(specs, steps)
        for spec in specs:
            log = self._logs / f"{spec.name}.log"
            rotate_log(log)
            self._watched[spec.name] = Watched(spec, log, self._on_event, self._health_pause_s)
            self._ready[spec.name] = asyncio.Event()
            self._needs[spec.name] = spec.depends_on
        for step in steps:
            self._ready[step.name] = asyncio.Event()
            self._needs[step.name] = step.depends_on
        starts = [asyncio.create_task(self._start_process(spec)) for spec in specs]
        starts += [asyncio.create_task(self._run_step(step)) for step in steps]
        try:
            await asyncio.gather(*starts)
        finally:
            for start in starts:
                start.cancel()
            await asyncio.gather(*starts, return_exceptions=True)

    async def stop(self) -> None:
        """Stop all, each after those that depend on it; returns when no process is left."""
        await self._stop(tuple(self._watched))

    async def remove(self, names: Iterable[str]) -> None:
        """Stop some for good, as if they had never been there; nothing else may depend on them."""
        leaving = [name for name in names if name in self._watched]
        await self._stop(leaving)
        for name in leaving:
            del self._watched[name], self._ready[name], self._needs[name]
            self._on_event(StackEvent(name, "removed"))

    async def _stop(self, names: Sequence[str]) -> None:
        tasks = [task for name in names if (task := self._tasks.pop(name, None)) is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        gone = {name: asyncio.Event() for name in names}
        await asyncio.gather(*(self._stop_process(self._watched[name], gone) for name in names))

    def views(self) -> tuple[ProcessView, ...]:
        """Every process as it is now, in the order in which they were given."""
        return tuple(watched.view() for watched in self._watched.values())

    async def _start_process(self, spec: ProcessSpec) -> None:
        await self._wait_for(spec.depends_on)
        watched = self._watched[spec.name]
        await watched.bring_up()
        self._ready[spec.name].set()
        self._tasks[spec.name] = asyncio.create_task(watched.keep_up(), name=f"watch {spec.name}")

    async def _run_step(self, step: SetupStep) -> None:
        await self._wait_for(step.depends_on)
        began = time.monotonic()
        self._on_event(StackEvent(step.name, "step_running"))
        await step.run()
        self._on_event(StackEvent(step.name, "step_done", seconds=time.monotonic() - began))
        self._ready[step.name].set()

    async def _wait_for(self, names: Sequence[str]) -> None:
        for name in names:
            await self._ready[name].wait()

    async def _stop_process(self, watched: Watched, gone: dict[str, asyncio.Event]) -> None:
        for other in gone:
            if watched.spec.name in self._all_needs(other):
                await gone[other].wait()
        try:
            await watched.stop()
        finally:
            gone[watched.spec.name].set()

    def _all_needs(self, name: str) -> set[str]:
        found: set[str] = set()
        for each in self._needs[name]:
            found |= {each} | self._all_needs(each)
        return found

    def _check_order(self, specs: Sequence[ProcessSpec], steps: Sequence[SetupStep]) -> None:
        nodes: list[ProcessSpec | SetupStep] = [*specs, *steps]
        needs = {each.name: set(each.depends_on) for each in nodes}
        if len(needs) != len(nodes) or needs.keys() & self._ready.keys():
            raise ValueError("two processes or steps of the stack have the same name")
        done = {name for name, ready in self._ready.items() if ready.is_set()}
        while needs:
            free = [name for name, wanted in needs.items() if wanted <= done]
            if not free:
                raise ValueError(f"dependencies that do not exist or go in a circle: {sorted(needs)}")
            done.update(free)
            for name in free:
                del needs[name]
