import asyncio
from collections.abc import Awaitable, Callable

from contracts.codec import encode
from contracts.documents import Delayed
from contracts.errors import DependencyDown, DocumentFailed, Superseded
from contracts.halves import HalfReady
from contracts.ids import version_of
from contracts.metrics import EMBEDDING_WORKER_ERRORS, RECORDS
from contracts.topics import BULK_STAGES, DOCUMENT_STATUS, EMBEDDINGS, FILE_ADDED, Stage
from contracts.trace import TRACEPARENT, TraceContext, parse_traceparent
from ingest.halves import deleted
from ingest.lanes import Limits
from ingest.work import Outcome, Work
from tests.ingest.harness import LOG_EPOCH, Clock, RunningWorker, dead_letters, eventually, messages, states
from tests.ingest.memory_log import MemoryLog
from tests.ingest.samples import document

Plan = Callable[[Work], Awaitable[Outcome]]


class Planned:
    """A handler that remembers its work and does what the test has planned; by default it points to a half."""

    announces = True

    def __init__(self, plan: Plan | None = None, stage: Stage = "text") -> None:
        self.stage: Stage = stage
        self.seen: list[Work] = []
        self._plan = plan

    async def handle(self, work: Work) -> Outcome:
        self.seen.append(work)
        if self._plan is not None:
            return await self._plan(work)
        return Outcome((deleted(work, "s"),), count=1)


def failing(error: Exception) -> Plan:
    async def plan(work: Work) -> Outcome:
        raise error

    return plan


def add(log: MemoryLog, *names: str, lane: str = "live", trace: TraceContext | None = None) -> list[str]:
    """Announce documents; returns their ids."""
    ids = []
    for name in names:
        event = document(name)
        if lane == "bulk":
            event = type(event)(**{f: getattr(event, f) for f in event.__struct_fields__} | {"lane": "bulk"})
        log.send(FILE_ADDED, event, key=event.doc_id, trace=trace)
        ids.append(event.doc_id)
    return ids


async def test_a_record_is_handled_announced_published_and_committed() -> None:
    log, handler = MemoryLog(), Planned()
    [doc_id] = add(log, "a")
    async with RunningWorker(log, handler, Clock()) as worker:
        await eventually(worker.done)
    assert [m.doc_id for m in messages(log, EMBEDDINGS, HalfReady)] == [doc_id]
    assert states(log, doc_id) == ["running", "done"]


async def test_the_version_is_the_log_epoch_and_the_offset_of_the_record() -> None:
    log, handler = MemoryLog(n_partitions=1), Planned()
    add(log, "a", "b")
    async with RunningWorker(log, handler, Clock()) as worker:
        await eventually(worker.done)
    assert {w.version for w in handler.seen} == {version_of(LOG_EPOCH, 0), version_of(LOG_EPOCH, 1)}


async def test_a_passing_failure_waits_in_the_delay_topic_and_keeps_its_version() -> None:
    log, clock, handler = MemoryLog(), Clock(), Planned(failing(DependencyDown("triton")))
    [doc_id] = add(log, "a")
    async with RunningWorker(log, handler, clock):
        await eventually(lambda: len(messages(log, "retry.text.10s", Delayed)) == 1)
        await eventually(lambda: states(log, doc_id) == ["running", "retrying"])
        assert len(handler.seen) == 1
        clock.ms += 10_000
        await eventually(lambda: len(messages(log, "retry.text.120s", Delayed)) == 1)
    first, second = handler.seen
    assert (first.version, first.attempt) == (second.version, 0)
    assert second.attempt == 1
    [waiting] = messages(log, "retry.text.120s", Delayed)
    assert (waiting.version, waiting.attempt, waiting.origin_topic) == (first.version, 2, FILE_ADDED)
    assert waiting.due_ms == clock.ms + 120_000


async def test_a_retry_written_while_a_clock_was_years_ahead_does_not_hold_up_its_partition() -> None:
    log, clock, handler = MemoryLog(), Clock(), Planned()
    event = document("a")
    waiting = Delayed(
        tenant=event.tenant,
        doc_id=event.doc_id,
        version=1,
        stage="text",
        attempt=1,
        due_ms=clock.ms + 10**12,
        cause="dependency_down_triton",
        origin_topic=FILE_ADDED,
        payload=encode(event),
    )
    log.send("retry.text.10s", waiting, key=event.doc_id)
    async with RunningWorker(log, handler, clock) as worker:
        await eventually(lambda: worker.worker.readiness()[1]["held"] == 1)
        clock.ms += 1200 * 1000
        await eventually(lambda: [work.version for work in handler.seen] == [1])


async def test_after_the_last_delay_the_work_becomes_a_dead_letter() -> None:
    log, clock, handler = MemoryLog(), Clock(), Planned(failing(DependencyDown("triton")))
    [doc_id] = add(log, "a")
    async with RunningWorker(log, handler, clock) as worker:
        for seen, delay_s in ((1, 10), (2, 120), (3, 1200)):
            await eventually(lambda: len(messages(log, f"retry.text.{delay_s}s", Delayed)) == 1)  # noqa: B023
            assert len(handler.seen) == seen
            clock.ms += delay_s * 1000
        await eventually(worker.done)
    [letter] = dead_letters(log)
    assert (letter.cause, letter.attempt, letter.doc_id) == ("retries_exhausted", 4, doc_id)
    assert letter.payload == log.records(FILE_ADDED)[0].value
    assert states(log, doc_id)[-1] == "failed"


async def test_a_retry_that_succeeds_ends_as_done() -> None:
    log, clock = MemoryLog(), Clock()

    async def fail_once(work: Work) -> Outcome:
        if not work.attempt:
            raise RuntimeError("a bug that passes")
        return Outcome(count=2)

    [doc_id] = add(log, "a")
    async with RunningWorker(log, Planned(fail_once), clock) as worker:
        await eventually(lambda: bool(log.records("retry.text.10s")))
        clock.ms += 10_000
        await eventually(worker.done)
    assert states(log, doc_id) == ["running", "retrying", "running", "done"]
    assert dead_letters(log) == []


async def test_a_documents_own_failure_disturbs_no_other_document() -> None:
    log = MemoryLog()

    async def plan(work: Work) -> Outcome:
        if work.document.source_key == "bad":
            raise DocumentFailed("corrupt", "The file is damaged.")
        return Outcome(count=1)

    bad, good = add(log, "bad", "good")
    async with RunningWorker(log, Planned(plan), Clock()) as worker:
        await eventually(worker.done)
        errors = worker.metrics.counter(EMBEDDING_WORKER_ERRORS).labels(stage="text", cause="corrupt")
        assert errors._value.get() == 1
    [letter] = dead_letters(log)
    assert (letter.doc_id, letter.cause, letter.reason) == (bad, "corrupt", "The file is damaged.")
    assert letter.uri == document("bad").uri
    assert states(log, bad) == ["running", "failed"]
    assert states(log, good) == ["running", "done"]


async def test_a_replaced_file_is_superseded_without_a_dead_letter() -> None:
    log = MemoryLog()
    [doc_id] = add(log, "a")
    async with RunningWorker(log, Planned(failing(Superseded("Replaced."))), Clock()) as worker:
        await eventually(worker.done)
    assert states(log, doc_id) == ["running", "superseded"]
    assert dead_letters(log) == []


async def test_a_record_that_cannot_be_read_becomes_a_dead_letter_and_the_next_is_handled() -> None:
    log, handler = MemoryLog(n_partitions=1), Planned()
    log.send_bytes(FILE_ADDED, b"not json", key="someone")
    log.send_bytes(FILE_ADDED, b"x" * 1_000_000, key="someone")
    [doc_id] = add(log, "a")
    async with RunningWorker(log, handler, Clock()) as worker:
        await eventually(worker.done)
    letters = dead_letters(log)
    assert [letter.cause for letter in letters] == ["bad_message", "bad_message"]
    assert letters[0].payload == b"not json"
    assert all(len(encode(letter)) < 200_000 for letter in letters)
    assert states(log, doc_id) == ["running", "done"]


async def test_a_pointer_outside_the_documents_part_of_the_store_is_refused() -> None:
    log, handler = MemoryLog(), Planned()
    event = document("a")
    for uri in ("snapshots/0/manifest.json", "objects/../items/x", "s3://other/bucket"):
        fields = {f: getattr(event, f) for f in event.__struct_fields__} | {"uri": uri}
        log.send(FILE_ADDED, type(event)(**fields), key=event.doc_id)
    async with RunningWorker(log, handler, Clock()) as worker:
        await eventually(worker.done)
    assert handler.seen == []
    assert len(dead_letters(log)) == 3


async def test_nothing_is_committed_until_kafka_has_acknowledged_the_results() -> None:
    log, handler = MemoryLog(), Planned()
    [doc_id] = add(log, "a")
    log.down = True
    async with RunningWorker(log, handler, Clock()) as worker:
        await eventually(lambda: worker.worker.readiness()[1]["working"] == 1)
        await worker.turn()
        assert not any(log.groups[worker.group].values())
        log.down = False
        await eventually(worker.done)
    assert states(log, doc_id) == ["running", "done"]


async def test_a_record_that_kafka_refuses_is_sent_again_without_doing_the_work_again() -> None:
    log, handler = MemoryLog(), Planned()
    add(log, "a")
    log.refusals = 2
    async with RunningWorker(log, handler, Clock()) as worker:
        await eventually(worker.done)
    assert len(handler.seen) == 1
    assert len(messages(log, EMBEDDINGS, HalfReady)) == 1


async def test_the_trace_goes_on_with_a_new_span_and_one_header() -> None:
    log, began = MemoryLog(), TraceContext("a" * 32, "b" * 16)
    add(log, "a", trace=began)
    async with RunningWorker(log, Planned(), Clock()) as worker:
        await eventually(worker.done)
    for topic in (EMBEDDINGS, DOCUMENT_STATUS):
        for record in log.records(topic):
            trace = parse_traceparent(record.headers[TRACEPARENT].decode())
            assert trace is not None
            assert trace.trace_id == began.trace_id
            assert trace.span_id != began.span_id


async def test_work_that_was_cut_off_is_done_again_by_the_next_process() -> None:
    log, never = MemoryLog(), asyncio.Event()

    async def hang(work: Work) -> Outcome:
        await never.wait()
        return Outcome()

    stuck = Planned(hang)
    [doc_id] = add(log, "a")
    async with RunningWorker(log, stuck, Clock()) as worker:
        await eventually(lambda: bool(stuck.seen))
        await worker.turn()
        await worker.kill()
    after = Planned()
    async with RunningWorker(log, after, Clock()) as worker:
        await eventually(worker.done)
    assert after.seen[0].version == stuck.seen[0].version
    assert states(log, doc_id)[-1] == "done"


async def test_a_stop_lets_begun_work_end_and_commits_it() -> None:
    log, proceed = MemoryLog(), asyncio.Event()

    async def wait(work: Work) -> Outcome:
        await proceed.wait()
        return Outcome(count=1)

    handler = Planned(wait)
    [doc_id] = add(log, "a")
    async with RunningWorker(log, handler, Clock()) as worker:
        await eventually(lambda: bool(handler.seen))
        asyncio.get_running_loop().call_later(0.05, proceed.set)
    assert worker.done()
    assert states(log, doc_id)[-1] == "done"


async def test_several_documents_are_worked_on_at_once_and_a_slow_one_stops_nobody() -> None:
    log, proceed = MemoryLog(n_partitions=1), asyncio.Event()

    async def slow_first(work: Work) -> Outcome:
        if work.document.source_key == "slow":
            await proceed.wait()
        return Outcome(count=1)

    slow, *others = add(log, "slow", "a", "b", "c")
    async with RunningWorker(log, Planned(slow_first), Clock(), limits=Limits(in_flight=2)) as worker:
        await eventually(lambda: all(states(log, doc_id)[-1:] == ["done"] for doc_id in others))
        assert states(log, slow) == ["running"]
        await worker.turn()
        assert log.groups[worker.group].get((FILE_ADDED, 0), 0) == 0
        proceed.set()
        await eventually(worker.done)


async def test_a_document_that_takes_too_long_is_put_off() -> None:
    log, never = MemoryLog(), asyncio.Event()

    async def hang(work: Work) -> Outcome:
        await never.wait()
        return Outcome()

    add(log, "a")
    async with RunningWorker(log, Planned(hang), Clock(), handle_timeout_s=0.05):
        await eventually(lambda: bool(log.records("retry.text.10s")))
    assert messages(log, "retry.text.10s", Delayed)[0].cause == "deadline_exceeded"


async def test_a_cleanup_that_fails_has_the_work_done_again() -> None:
    log, clock = MemoryLog(), Clock()

    async def plan(work: Work) -> Outcome:
        async def clean() -> None:
            if not work.attempt:
                raise DependencyDown("object_store")

        return Outcome((deleted(work, "s"),), afterwards=clean)

    [doc_id] = add(log, "a")
    async with RunningWorker(log, Planned(plan), clock) as worker:
        await eventually(lambda: bool(log.records("retry.text.10s")))
        clock.ms += 10_000
        await eventually(worker.done)
    assert len(messages(log, EMBEDDINGS, HalfReady)) == 2
    assert states(log, doc_id)[-1] == "done"


async def test_a_backfill_is_stamped_set_aside_and_done_after_the_live_work() -> None:
    log, handler = MemoryLog(n_partitions=1), Planned()
    assert "text" in BULK_STAGES
    filler, person = [*add(log, "filler", lane="bulk"), *add(log, "person")]
    async with RunningWorker(log, handler, Clock(), limits=Limits(in_flight=1)) as worker:
        await eventually(worker.done)
        moved = worker.metrics.counter(RECORDS).labels(worker=worker.group, outcome="moved")
        assert moved._value.get() == 1
    assert [w.document.doc_id for w in handler.seen] == [person, filler]
    assert handler.seen[1].version == version_of(LOG_EPOCH, 0)
    assert states(log, filler) == ["running", "done"]


async def test_partitions_that_come_back_are_read_from_the_last_commit() -> None:
    log, proceed = MemoryLog(n_partitions=1), asyncio.Event()

    async def wait(work: Work) -> Outcome:
        await proceed.wait()
        return Outcome(count=1)

    handler = Planned(wait)
    ids = add(log, "a", "b", "c")
    async with RunningWorker(log, handler, Clock(), limits=Limits(in_flight=1)) as worker:
        await eventually(lambda: len(handler.seen) == 1)
        worker.source.revoke = {(FILE_ADDED, 0)}
        await eventually(lambda: not worker.source.revoke)
        proceed.set()
        await eventually(worker.done)
    assert all(states(log, doc_id)[-1] == "done" for doc_id in ids)


async def test_polling_goes_on_while_every_place_is_taken_by_a_long_document() -> None:
    log, clock, proceed = MemoryLog(), Clock(), asyncio.Event()

    async def wait(work: Work) -> Outcome:
        await proceed.wait()
        return Outcome()

    handler = Planned(wait)
    add(log, "a", "b", "c")
    async with RunningWorker(log, handler, clock, limits=Limits(2)) as running:
        await eventually(lambda: len(handler.seen) == 2)
        await running.turn(20)
        assert len(handler.seen) == 2
        proceed.set()
        await eventually(running.done)
    assert len(handler.seen) == 3


async def test_polling_goes_on_while_the_last_documents_end_and_nothing_new_begins() -> None:
    log, clock, proceed = MemoryLog(), Clock(), asyncio.Event()

    async def wait(work: Work) -> Outcome:
        await proceed.wait()
        return Outcome()

    handler = Planned(wait)
    running = RunningWorker(log, handler, clock, limits=Limits(2))
    async with running:
        add(log, "a", "b", "c")
        await eventually(lambda: len(handler.seen) == 2)

        async def end_later() -> None:
            await running.turn(10)
            add(log, "d")
            await running.turn(10)
            proceed.set()

        ending = asyncio.create_task(end_later())
    await ending
    assert len(handler.seen) == 2
    assert sum(log.groups[running.group].values()) == 2
