import itertools

from contracts.ids import document_id
from ingest.lanes import Lanes, Limits
from ingest.worker import lanes_of
from runtime.kafka import Record

_offsets = itertools.count()


def record(topic: str, key: str, partition: int = 0) -> Record:
    return Record(topic, partition, next(_offsets), document_id("t", "c", key), b"", {}, 0)


def lanes(in_flight: int = 2, waiting: int = 64) -> Lanes:
    found = Lanes(Limits(in_flight, waiting), lanes_of("text"))
    found.assigned = {(topic, p) for topic in found.lane_of_topic for p in range(2)}
    return found


def test_records_begin_in_the_order_in_which_they_came() -> None:
    queue = lanes(in_flight=3)
    records = [record("file_added", name) for name in "abc"]
    for one in records:
        queue.accept(one)
    assert [queue.start(0), queue.start(0), queue.start(0)] == records


def test_no_more_begin_than_may_be_in_flight() -> None:
    queue = lanes(in_flight=1)
    first, second = record("file_added", "a"), record("file_added", "b")
    queue.accept(first)
    queue.accept(second)
    assert queue.start(0) == first
    assert queue.start(0) is None
    queue.finish(first)
    assert queue.start(0) == second


def test_two_records_of_one_document_never_run_side_by_side() -> None:
    queue = lanes()
    first, again, other = record("file_added", "a"), record("file_added", "a"), record("file_added", "b")
    for one in (first, again, other):
        queue.accept(one)
    assert (queue.start(0), queue.start(0)) == (first, other)
    queue.finish(first)
    assert queue.start(0) == again


def test_a_delayed_record_rests_with_its_partition_until_it_is_due() -> None:
    queue = lanes()
    late = record("retry.text.10s", "a", partition=1)
    queue.accept(late, due_ms=1000)
    assert queue.resting() == {("retry.text.10s", 1)}
    assert queue.start(999) is None
    assert queue.start(1000) == late
    assert queue.resting() == {("bulk.text", 0), ("bulk.text", 1)}


def test_live_work_passes_a_delayed_record_that_is_not_due() -> None:
    queue = lanes()
    queue.accept(record("retry.text.1200s", "a"), due_ms=10**12)
    live = record("file_added", "b")
    queue.accept(live)
    assert queue.start(0) == live


def test_a_backfill_begins_only_when_nothing_live_waits_or_runs() -> None:
    queue = lanes(in_flight=3)
    bulk, live = record("bulk.text", "a"), record("file_added", "b")
    queue.accept(bulk)
    queue.accept(live)
    assert queue.start(0) == live
    assert queue.start(0) is None
    queue.finish(live)
    assert queue.start(0) == bulk


def test_a_backfill_leaves_a_place_free_for_live_work() -> None:
    queue = lanes(in_flight=2)
    first, second, live = record("bulk.text", "a"), record("bulk.text", "b"), record("file_added", "c")
    queue.accept(first)
    queue.accept(second)
    assert queue.start(0) == first
    assert queue.start(0) is None
    queue.accept(live)
    assert queue.start(0) == live


def test_everything_rests_when_memory_is_full() -> None:
    queue = lanes(waiting=2)
    queue.accept(record("file_added", "a"))
    assert ("file_added", 0) not in queue.resting()
    queue.accept(record("file_added", "b"))
    assert queue.resting() == queue.assigned
    assert queue.room() == 1


def test_what_waits_of_a_lost_partition_is_dropped_and_the_rest_stays() -> None:
    queue = lanes()
    lost, kept = record("file_added", "a", partition=0), record("file_added", "b", partition=1)
    held = record("retry.text.10s", "c", partition=0)
    queue.accept(lost)
    queue.accept(kept)
    queue.accept(held, due_ms=5)
    queue.forget([("file_added", 0), ("retry.text.10s", 0)])
    assert queue.start(10) == kept
    assert queue.start(10) is None
    assert queue.held == 0
