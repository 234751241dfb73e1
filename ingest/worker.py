"""The loop around every worker: reads its consumer group's records, has them carried, commits what is finished.

Polling goes on while documents are worked on, so that a long one does not cost the membership. Offsets are
committed only once everything that a record gave rise to is acknowledged; after a crash the rest is done again.
"""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

from contracts.errors import DependencyDown, TriremeError
from contracts.topics import Stage
from ingest.consuming import Orders, RecordSource
from ingest.lanes import Lane, Lanes, Limits
from ingest.ledger import OffsetLedger
from ingest.reading import bulk_topics, delay_topics, due_ms, main_topic
from runtime.kafka import Record
from runtime.telemetry import get_logger

_log = get_logger(__name__)

_TURN_S = 0.2
_OUTAGE_WAIT_S = 0.5
# Work that was cut off at the end still writes its checkpoint.
_CUT_OFF_WAIT_S = 5.0


def lanes_of(stage: Stage) -> dict[str, Lane]:
    """All topics that a stage's consumer group reads, with their lanes."""
    lanes: dict[str, Lane] = {main_topic(stage): "live"}
    lanes |= dict.fromkeys(delay_topics(stage), "delayed")
    lanes |= dict.fromkeys(bulk_topics(stage), "bulk")
    return lanes


class Worker:
    """One member of a stage's consumer group.

    Args:
        carry: does all that is to be done about one record and returns when nothing of it can be lost any more
            (`RecordFlow.carry`); it fails only when the process shall end.
        shutdown_s: how long work that has begun may go on after the stop.
        now_ms: Unix time in ms, for due times.
    """

    def __init__(
        self,
        stage: Stage,
        source: RecordSource,
        carry: Callable[[Record], Awaitable[None]],
        *,
        limits: Limits,
        shutdown_s: float,
        now_ms: Callable[[], int],
        turn_s: float = _TURN_S,
    ) -> None:
        self._source = source
        self._carry = carry
        self._shutdown_s = shutdown_s
        self._now_ms = now_ms
        self._turn_s = turn_s
        self._lanes = Lanes(limits, lanes_of(stage))
        self._lane_of_topic = lanes_of(stage)
        self._ledger = OffsetLedger()
        self._tasks: set[asyncio.Task[None]] = set()
        self._crash: BaseException | None = None
        self._draining = False
        self._joined = False
        self._reachable = True

    def readiness(self) -> tuple[bool, dict[str, object]]:
        """Whether the worker is a member of its group and hears from Kafka; and what it has at hand."""
        lanes = self._lanes
        details: dict[str, object] = {
            "partitions": len(lanes.assigned),
            "working": lanes.working,
            "waiting": lanes.waiting,
            "held": lanes.held,
            "kafka": self._reachable,
        }
        return self._joined and self._reachable, details

    async def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set, then finish what has begun, commit and leave."""
        with ThreadPoolExecutor(1, thread_name_prefix="consumer") as thread:
            try:
                while not stop.is_set() and self._crash is None:
                    await self._turn(thread)
            finally:
                await self._finish(thread)
                commit = self._ledger.to_commit()
                await asyncio.get_running_loop().run_in_executor(thread, self._source.close, commit)
        if self._crash is not None:
            raise self._crash

    async def _turn(self, thread: ThreadPoolExecutor) -> None:
        commit = dict(self._ledger.to_commit())
        resting = frozenset(self._lanes.assigned) if self._draining else self._lanes.resting()
        orders = Orders(commit, resting, self._lanes.room(), self._turn_s)
        try:
            turn = await asyncio.get_running_loop().run_in_executor(thread, self._source.turn, orders)
        except DependencyDown:
            if self._reachable:
                _log.warning("log_unreachable")
            self._reachable = False
            await asyncio.sleep(_OUTAGE_WAIT_S)
            return
        self._reachable = True
        self._ledger.committed(commit)
        if turn.revoked:
            self._lanes.forget(turn.revoked)
            self._ledger.forget(turn.revoked)
        if turn.assigned:
            self._joined = True
            self._lanes.assigned |= turn.assigned
        if turn.assigned or turn.revoked:
            _log.info("partitions_changed", partitions=len(self._lanes.assigned))
        for record in turn.records:
            self._ledger.opened((record.topic, record.partition), record.offset)
            waits = self._lane_of_topic[record.topic] == "delayed"
            self._lanes.accept(record, due_ms(record, self._now_ms()) if waits else 0)
        self._start()

    def _start(self) -> None:
        while not self._draining and (record := self._lanes.start(self._now_ms())) is not None:
            task = asyncio.create_task(self._run(record))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _run(self, record: Record) -> None:
        try:
            await self._carry(record)
        except Exception as exc:  # noqa: BLE001 - `carry` judges a document's errors; what comes out ends the process
            _log.exception("worker_broken")
            self._crash, self._draining = exc, True
            return
        finally:
            self._lanes.finish(record)
        self._ledger.finished((record.topic, record.partition), record.offset)
        self._start()

    async def _finish(self, thread: ThreadPoolExecutor) -> None:
        """Let begun work end, polling meanwhile: a member that is given up has its documents begun by others."""
        self._draining = True
        deadline = time.monotonic() + self._shutdown_s
        while self._tasks and time.monotonic() < deadline:
            try:
                await self._turn(thread)
            except TriremeError:
                _log.exception("polling_ended")
                break
        late = set(self._tasks)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=_CUT_OFF_WAIT_S)
            _log.warning("work_left_unfinished", records=len(late))
