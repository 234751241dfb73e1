"""The life of one record in a worker: read, announce, handle, publish, report. Owns every way in which it can end.

Knows nothing of offsets: `ingest.worker` commits what has come back from here.
"""

import asyncio
import time
from collections.abc import Callable

from contracts.errors import BadMessage, DeadlineExceeded, TriremeError
from contracts.metrics import DEAD_LETTERS, EMBEDDING_WORKER_ERRORS, RECORD_SECONDS, RECORDS
from contracts.status import StageState
from contracts.topics import BULK_STAGES, FILE_ADDED
from contracts.trace import TraceContext
from ingest import reports
from ingest.publishing import RecordSink, publish
from ingest.reading import read_work
from ingest.verdicts import GiveUp, TryAgain, Verdict, Void, judge
from ingest.work import Handler, Outcome, Outgoing, Work
from runtime.kafka import Record
from runtime.telemetry import Metrics, about, get_logger, trace_of
from runtime.tracing import record as record_span

_log = get_logger(__name__)


class RecordFlow:
    """Carries records through one handler.

    Args:
        worker: the worker's name in metrics.
        log_epoch: of the `file_added` log; with a record's offset it gives the version.
        handle_timeout_s: longest time for one document; reaching it counts as a passing failure.
        now_ms: Unix time in ms.
    """

    def __init__(
        self,
        handler: Handler,
        sink: RecordSink,
        metrics: Metrics,
        *,
        worker: str,
        log_epoch: int,
        handle_timeout_s: float,
        now_ms: Callable[[], int],
    ) -> None:
        self._handler = handler
        self._sink = sink
        self._worker = worker
        self._log_epoch = log_epoch
        self._handle_timeout_s = handle_timeout_s
        self._now_ms = now_ms
        self._records = metrics.counter(RECORDS)
        self._seconds = metrics.histogram(RECORD_SECONDS)
        self._errors = metrics.counter(EMBEDDING_WORKER_ERRORS)
        self._dead_letters = metrics.counter(DEAD_LETTERS)

    async def carry(self, record: Record) -> None:
        """Carry a record to one of its ends; returns when all that it gave rise to is acknowledged by Kafka."""
        trace = trace_of(record.headers)
        with about(stage=self._handler.stage, trace_id=trace.trace_id):
            await self._carry(record, trace)

    async def _carry(self, record: Record, trace: TraceContext) -> None:
        began, began_ns = time.monotonic(), time.time_ns()
        try:
            work = read_work(self._handler.stage, record, log_epoch=self._log_epoch, trace=trace)
        except BadMessage as exc:
            ending = await self._refuse(record, exc, trace)
        else:
            if _is_claimed(work, record):
                ending = "claimed"
            elif _belongs_to_bulk(work):
                await publish(self._sink, [reports.moved_to_bulk(work)], trace)
                ending = "moved"
            else:
                with about(doc_id=work.document.doc_id, version=work.version):
                    ending = await self._work(work)
        self._records.labels(worker=self._worker, outcome=ending).inc()
        self._seconds.labels(worker=self._worker).observe(time.monotonic() - began)
        record_span(
            f"{self._handler.stage} of {record.topic}", trace, began_ns, outcome=ending, key=record.key or ""
        )

    async def _work(self, work: Work) -> str:
        # The outermost loop around documents: whatever one of them sets off must end in its own status, not in the
        # worker's death, so every kind of exception is judged here.
        try:
            if self._handler.announces:
                await self._publish(work, *self._said(work, "running"))
            outcome = await self._handle(work)
            await self._publish(work, *outcome.outgoing)
            if outcome.afterwards is not None:
                await outcome.afterwards()
        except Exception as exc:  # noqa: BLE001 - see above
            return await self._fail(work, exc)
        if outcome.state is not None:
            said = self._said(work, outcome.state, count=outcome.count, revision=outcome.revision)
            await self._publish(work, *said)
        return outcome.state or "nothing"

    async def _handle(self, work: Work) -> Outcome:
        try:
            async with asyncio.timeout(self._handle_timeout_s):
                return await self._handler.handle(work)
        except TimeoutError as exc:
            raise DeadlineExceeded("The document took longer than the worker gives to one.") from exc

    async def _fail(self, work: Work, error: Exception) -> str:
        verdict = judge(error, work.attempt)
        self._tell(work, verdict, error)
        now_ms = self._now_ms()
        match verdict:
            case TryAgain(cause=cause, reason=reason):
                said = self._said(work, "retrying", cause=cause, reason=reason)
                await self._publish(work, reports.delayed(work, verdict, now_ms), *said)
                return "retrying"
            case GiveUp(cause=cause, reason=reason):
                said = self._said(work, "failed", cause=cause, reason=reason)
                await self._publish(work, reports.dead_letter(work, verdict, now_ms), *said)
                return "failed"
            case Void(reason=reason):
                await self._publish(work, *self._said(work, "superseded", reason=reason))
                return "superseded"

    def _said(
        self,
        work: Work,
        state: StageState,
        *,
        cause: str | None = None,
        reason: str | None = None,
        count: int | None = None,
        revision: int | None = None,
    ) -> tuple[Outgoing, ...]:
        """What the document's status is told; nothing by silent work."""
        if work.is_silent:
            return ()
        event = reports.stage_event(
            work, state, self._now_ms(), cause=cause, reason=reason, count=count, revision=revision
        )
        return (reports.status(event),)

    async def _refuse(self, record: Record, error: BadMessage, trace: TraceContext) -> str:
        stage = self._handler.stage
        _log.warning("bad_record", topic=record.topic, partition=record.partition, offset=record.offset)
        self._errors.labels(stage=stage, cause=error.code).inc()
        self._dead_letters.labels(stage=stage, cause=error.code).inc()
        letter = reports.unreadable(
            stage, record, error, log_epoch=self._log_epoch, trace=trace, now_ms=self._now_ms()
        )
        await publish(self._sink, [letter], trace)
        return "bad_message"

    async def _publish(self, work: Work, *outgoing: Outgoing) -> None:
        await publish(self._sink, outgoing, work.trace)

    def _tell(self, work: Work, verdict: Verdict, error: Exception) -> None:
        log = _log.bind(attempt=work.attempt)
        if isinstance(verdict, Void):
            log.info("document_superseded")
            return
        stage = work.stage
        self._errors.labels(stage=stage, cause=verdict.cause).inc()
        unexpected = not isinstance(error, TriremeError)
        if isinstance(verdict, GiveUp):
            self._dead_letters.labels(stage=stage, cause=verdict.cause).inc()
            log.warning(
                "document_failed",
                cause=verdict.cause,
                reason=verdict.reason,
                exc_info=error if unexpected else None,
            )
        else:
            log.warning(
                "document_waits",
                cause=verdict.cause,
                delay_s=verdict.delay_s,
                exc_info=error if unexpected else None,
            )


def _is_claimed(work: Work, record: Record) -> bool:
    """A batch job's own document. One that it gave up, and somebody requeued, comes by a delay topic."""
    claimed = work.document.event == "added" and work.document.claimed_by is not None
    return claimed and work.stage in BULK_STAGES and record.topic == FILE_ADDED


def _belongs_to_bulk(work: Work) -> bool:
    """A backfill's work that has not waited for its turn yet, or comes back from a delay topic."""
    return work.document.lane == "bulk" and work.stage in BULK_STAGES and not work.in_bulk_lane
