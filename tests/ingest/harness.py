"""Runs real workers on a log in memory, with a clock that tests move, and waits for what shall happen."""

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

from contracts.codec import Message, decode
from contracts.documents import DeadLetter
from contracts.status import StageEvent
from contracts.topics import DEAD_LETTERS, DOCUMENT_STATUS
from ingest.lanes import Limits
from ingest.record_flow import RecordFlow
from ingest.work import Handler
from ingest.worker import Worker, lanes_of
from runtime.telemetry import Metrics
from tests.ingest.memory_log import MemoryLog, MemorySource

M = TypeVar("M", bound=Message)
LOG_EPOCH = 3
DEADLINE_S = 20.0


class Clock:
    """Unix time in ms that stands still unless a test moves it."""

    def __init__(self) -> None:
        self.ms = 1_000_000

    def __call__(self) -> int:
        return self.ms


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait until `condition` holds."""
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in several threads
            await asyncio.sleep(0.002)


def messages(log: MemoryLog, topic: str, kind: type[M]) -> list[M]:
    return [decode(kind, record.value) for record in log.records(topic)]


def states(log: MemoryLog, doc_id: str) -> list[str]:
    """The states that one document's status has gone through."""
    return [event.state for event in messages(log, DOCUMENT_STATUS, StageEvent) if event.doc_id == doc_id]


def dead_letters(log: MemoryLog) -> list[DeadLetter]:
    return messages(log, DEAD_LETTERS, DeadLetter)


class RunningWorker:
    """A worker process in miniature. Leaving the block stops it in order; `kill` does not."""

    def __init__(
        self,
        log: MemoryLog,
        handler: Handler,
        clock: Clock,
        *,
        limits: Limits | None = None,
        handle_timeout_s: float = 60.0,
        shutdown_s: float = 5.0,
    ) -> None:
        self._log = log
        self._stop = threading.Event()
        self.topics = lanes_of(handler.stage)
        self.group = f"{handler.stage}-group"
        self.metrics = Metrics()
        self.source = MemorySource(log, self.group, self.topics)
        flow = RecordFlow(
            handler,
            log,
            self.metrics,
            worker=self.group,
            log_epoch=LOG_EPOCH,
            handle_timeout_s=handle_timeout_s,
            now_ms=clock,
        )
        self.worker = Worker(
            handler.stage,
            self.source,
            flow.carry,
            limits=limits or Limits(),
            shutdown_s=shutdown_s,
            now_ms=clock,
            turn_s=0.005,
        )
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "RunningWorker":
        self._task = asyncio.create_task(self.worker.run(self._stop))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stop.set()
        if self._task is not None and not self._task.cancelled():
            await asyncio.wait_for(self._task, DEADLINE_S)

    async def turn(self, times: int = 3) -> None:
        """Let the loop go round, so that it has committed what it thinks it may."""
        until = self.source.turns + times
        await eventually(lambda: self.source.turns >= until)

    async def kill(self) -> None:
        """End as SIGKILL does: nothing is finished, nothing is committed."""
        assert self._task is not None
        self.source.dead = True
        for task in asyncio.all_tasks() - {asyncio.current_task(), self._task}:
            task.cancel()
        self._stop.set()
        await asyncio.wait([self._task], timeout=DEADLINE_S)
        self._task = None

    def done(self) -> bool:
        """Whether the group has committed everything that is in its topics."""
        committed = self._log.groups[self.group]
        return all(
            committed.get((topic, place), 0) == len(records)
            for topic in self.topics
            for place, records in enumerate(self._log.partitions(topic))
        )
