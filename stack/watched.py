"""One process under watch: brought up until it is ready, started again when it dies, within its budget."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from stack.child import Child, start_child
from stack.events import EventKind, EventSink, StackEvent, StackFailed
from stack.process import ProcessSpec
from stack.restarts import RestartBudget
from stack.state import ProcessState, ProcessView

PROBE_PAUSE_S = 0.15
UNWELL_AFTER = 2
LOG_TAIL_LINES = 12


class Watched:
    """A process and what became of it so far. Not to be used from two tasks at once, `stop()` apart."""

    def __init__(self, spec: ProcessSpec, log: Path, on_event: EventSink, health_pause_s: float) -> None:
        self.spec = spec
        self._health_pause_s = health_pause_s
        self._log = log
        self._on_event = on_event
        self._budget = RestartBudget(spec.max_restarts)
        self._child: Child | None = None
        self._state: ProcessState = "waiting"
        self._started_ms: int | None = None
        self._ready_after_s: float | None = None
        self._detail: str | None = None

    async def bring_up(self) -> None:
        """Start it and wait until it is ready, trying again within the budget.

        Raises:
            StackFailed: it did not become ready in time, or died too often; with the end of its log.
        """
        while (failure := await self._try_start()) is not None:
            pause_s = self._budget.next_pause_s(time.monotonic())
            if pause_s is None:
                self._tell("given_up", "given_up", failure)
                raise StackFailed(f"The process '{self.spec.name}' did not start: {failure}.\n{self.log_tail()}")
            await self._pause(pause_s, failure)

    async def keep_up(self) -> None:
        """Watch it for ever, starting it again when it dies; returns when its budget is used up."""
        while True:
            child = self._child
            if child is None:
                return
            how = await self._until_ended(child)
            child.clear_away()
            self._child = None
            self._tell("restarting", "died", how)
            pause_s = self._budget.next_pause_s(time.monotonic())
            if pause_s is None:
                self._tell("given_up", "given_up", how)
                return
            await self._pause(pause_s, how)
            try:
                await self.bring_up()
            except StackFailed:
                return

    async def stop(self) -> None:
        """End the process and all it has started."""
        if self._child is not None:
            self._tell(self._state, "stopping", None)
            await self._child.stop()
            self._child = None
        self._tell("stopped", "stopped", None)

    def view(self) -> ProcessView:
        """The process as it is now."""
        return ProcessView(
            name=self.spec.name,
            state=self._state,
            pid=self._child.pid if self._child else None,
            ports=dict(self.spec.ports),
            started_ms=self._started_ms,
            ready_after_s=self._ready_after_s,
            restarts=self._budget.total,
            detail=self._detail,
            log=str(self._log),
        )

    def log_tail(self) -> str:
        """The last lines of its log."""
        try:
            lines = self._log.read_text(errors="replace").splitlines()
        except OSError:
            return ""
        return "\n".join(lines[-LOG_TAIL_LINES:])

    async def _try_start(self) -> str | None:
        """None once ready, else what went wrong; the process is gone then."""
        began = time.monotonic()
        self._started_ms = time.time_ns() // 1_000_000
        self._ready_after_s = None
        try:
            self._child = await start_child(self.spec, self._log)
        except OSError as exc:
            return f"it cannot be run ({exc.strerror})"
        self._tell("starting", "starting", None)
        failure = await self._until_ready(self._child, began)
        if failure is not None:
            await self._child.stop()
            self._child = None
            return failure
        self._ready_after_s = time.monotonic() - began
        self._detail = None
        self._tell("ready", "ready", None, self._ready_after_s)
        return None

    async def _until_ready(self, child: Child, began: float) -> str | None:
        ended = asyncio.create_task(child.ended())
        try:
            while not ended.done():
                if self.spec.ready is None or await self.spec.ready():
                    return None
                if time.monotonic() - began > self.spec.ready_timeout_s:
                    return f"it was not ready within {self.spec.ready_timeout_s:.0f} s"
                await asyncio.wait([ended], timeout=PROBE_PAUSE_S)
            return f"it ended with {ended.result()}"
        finally:
            ended.cancel()

    async def _until_ended(self, child: Child) -> str:
        """Ask for its health now and then until it ends; being unwell is told, not a reason for a restart."""
        ended = asyncio.create_task(child.ended())
        failures = 0
        try:
            while not ended.done():
                await asyncio.wait([ended], timeout=self._health_pause_s)
                if not ended.done() and self.spec.ready is not None:
                    failures = 0 if await self.spec.ready() else failures + 1
                    self._note_health(failures)
            return ended.result()
        finally:
            ended.cancel()

    def _note_health(self, failures: int) -> None:
        """One probe that fails may be a busy machine; two in a row are told."""
        if failures == 0 and self._state == "unhealthy":
            self._tell("ready", "well", None)
        elif failures >= UNWELL_AFTER and self._state == "ready":
            self._tell("unhealthy", "unwell", None)

    async def _pause(self, pause_s: float, why: str) -> None:
        self._detail = why
        self._tell("restarting", "restarting", why, pause_s)
        await asyncio.sleep(pause_s)

    def _tell(
        self, state: ProcessState, kind: EventKind, detail: str | None, seconds: float | None = None
    ) -> None:
        self._state = state
        if detail is not None:
            self._detail = detail
        self._on_event(StackEvent(self.spec.name, kind, detail, seconds))
