"""The view of documents over a real broker."""

import asyncio
import contextlib
import shutil
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from contracts.ids import partition_of
from contracts.status import StageEvent, status_key
from contracts.topics import DOCUMENT_STATUS, STATUS_PARTITIONS, fixed_topics
from gateway.clients.status_fold import StatusFold
from gateway.clients.status_follower import StatusFollower
from gateway.clients.status_rows import StatusRows
from runtime.kafka_producer import KafkaProducer
from runtime.topics_admin import ensure_topics
from tests.gateway.conftest import kafka_server, wait_until_ready
from tests.stack.servers.conftest import started

pytestmark = pytest.mark.integration

WAIT_S = 30.0
TOPICS = tuple(spec for spec in fixed_topics() if spec.name == DOCUMENT_STATUS)


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A broker of this module's own: its tests delete a topic."""
    server = kafka_server(tmp_path_factory.mktemp("kafka"))
    with started(server.spec, server.log) as process:
        wait_until_ready(server, process)
        yield server.address


@pytest.fixture
def bootstrap(kafka: str) -> str:
    """The broker with an empty status topic."""
    empty_topic(kafka)
    return kafka


def empty_topic(bootstrap: str) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    with contextlib.suppress(Exception):
        admin.delete_topics([DOCUMENT_STATUS])[DOCUMENT_STATUS].result(WAIT_S)
    deadline = time.monotonic() + WAIT_S
    while DOCUMENT_STATUS in admin.list_topics(timeout=5).topics:
        assert time.monotonic() < deadline, "the topic was not deleted"
        time.sleep(0.1)
    ensure_topics(bootstrap, TOPICS, timeout_s=WAIT_S)


def say(bootstrap: str, *events: StageEvent) -> None:
    producer = KafkaProducer(bootstrap, "test")
    for event in events:
        partition = partition_of(event.doc_id, STATUS_PARTITIONS)
        producer.send(DOCUMENT_STATUS, event, key=status_key(event), partition=partition)
    producer.flush(WAIT_S)
    producer.close()


def event(doc_id: str, stage: str = "door", version: int = 2**40, **fields: object) -> StageEvent:
    values = {"tenant": "t", "doc_id": doc_id, "version": version, "stage": stage, "state": "done", "at_ms": 5}
    return StageEvent(**(values | fields))  # type: ignore[arg-type]


@contextlib.asynccontextmanager
async def running(bootstrap: str, path: Path) -> AsyncIterator[StatusFold]:
    fold = StatusFold(bootstrap, path, client_id="test")
    fold.start()
    try:
        yield fold
    finally:
        await asyncio.to_thread(fold.stop)


async def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        await asyncio.sleep(0.05)


async def test_documents_of_all_partitions_are_seen_and_changes_are_told(bootstrap: str, tmp_path: Path) -> None:
    ids = [f"doc-{n}" for n in range(40)]
    say(bootstrap, *(event(doc_id) for doc_id in ids))
    async with running(bootstrap, tmp_path / "db") as fold:
        await eventually(lambda: fold.caught_up)
        page, more = await fold.page("t", state=None, after=None, limit=100)
        assert sorted(view.doc_id for view in page) == sorted(ids)
        assert more is None
        with fold.subscribe("t") as changes:
            say(bootstrap, event("doc-7", "text", count=3))
            async with asyncio.timeout(WAIT_S):
                assert await changes.next() == ("doc-7",)
        view = await fold.get("t", "doc-7")
        assert view is not None
        assert [stage.stage for stage in view.stages] == ["door", "text"]


async def test_waiting_ends_when_the_condition_holds_and_not_before(bootstrap: str, tmp_path: Path) -> None:
    async with running(bootstrap, tmp_path / "db") as fold:
        indexed = asyncio.create_task(fold.wait_for("t", "d", lambda v: v.state == "indexed", timeout_s=WAIT_S))
        await asyncio.to_thread(say, bootstrap, event("d"))
        early = await fold.wait_for("t", "d", lambda v: bool(v.stages), timeout_s=WAIT_S)
        assert early is not None
        assert early.state == "processing"
        assert not indexed.done()
        await asyncio.to_thread(say, bootstrap, event("d", "shard", revision=1))
        view = await indexed
        assert view is not None
        assert view.state == "indexed"


async def test_waiting_gives_up_at_its_deadline_with_what_is_known(bootstrap: str, tmp_path: Path) -> None:
    async with running(bootstrap, tmp_path / "db") as fold:
        assert await fold.wait_for("t", "nobody", lambda _: True, timeout_s=0.05) is None


async def test_a_restart_goes_on_where_the_file_ends(bootstrap: str, tmp_path: Path) -> None:
    say(bootstrap, event("a"))
    async with running(bootstrap, tmp_path / "db") as fold:
        await eventually(lambda: fold.caught_up)
    say(bootstrap, event("b"))
    async with running(bootstrap, tmp_path / "db") as fold:
        assert await fold.get("t", "a") is not None  # Before the log was read at all.
        assert await fold.wait_for("t", "b", lambda _: True, timeout_s=WAIT_S) is not None


async def test_a_lost_file_is_filled_again(bootstrap: str, tmp_path: Path) -> None:
    say(bootstrap, event("a"))
    async with running(bootstrap, tmp_path / "db") as fold:
        await eventually(lambda: fold.caught_up)
    await asyncio.to_thread(shutil.rmtree, tmp_path)
    async with running(bootstrap, tmp_path / "db") as fold:
        assert await fold.wait_for("t", "a", lambda _: True, timeout_s=WAIT_S) is not None


async def test_a_re_created_topic_empties_the_file_first(bootstrap: str, tmp_path: Path) -> None:
    say(bootstrap, event("old"), event("old", "shard", revision=1))
    async with running(bootstrap, tmp_path / "db") as fold:
        await eventually(lambda: fold.caught_up)
    await asyncio.to_thread(empty_topic, bootstrap)
    say(bootstrap, event("new"))
    async with running(bootstrap, tmp_path / "db") as fold:
        assert await fold.wait_for("t", "new", lambda _: True, timeout_s=WAIT_S) is not None
        assert await fold.get("t", "old") is None


async def test_a_topic_that_is_re_created_under_a_running_gateway_is_read_from_its_beginning(
    bootstrap: str, tmp_path: Path
) -> None:
    say(bootstrap, *(event("old", version=2**40 + n) for n in range(5)))
    async with running(bootstrap, tmp_path / "db") as fold:
        await eventually(lambda: fold.caught_up)
        await asyncio.to_thread(empty_topic, bootstrap)
        await asyncio.to_thread(say, bootstrap, event("new"))
        assert await fold.wait_for("t", "new", lambda _: True, timeout_s=WAIT_S) is not None
        assert await fold.get("t", "old") is None


async def test_a_file_that_cannot_be_written_for_a_moment_is_written_afterwards(
    bootstrap: str, tmp_path: Path
) -> None:
    class FullDisk(StatusRows):
        failures_left = 2

        def apply(self, events: Iterable[StageEvent], next_offsets: Mapping[int, int]) -> set[tuple[str, str]]:
            if self.failures_left:
                self.failures_left -= 1
                raise sqlite3.OperationalError("database or disk is full")
            return super().apply(events, next_offsets)

    changed: set[tuple[str, str]] = set()
    path = tmp_path / "db"
    follower = StatusFollower(
        bootstrap, "test", open_rows=lambda: FullDisk(path), changed=lambda found, _: changed.update(found)
    )
    say(bootstrap, event("a"))
    follower.start()
    try:
        await eventually(lambda: ("t", "a") in changed)
    finally:
        await asyncio.to_thread(follower.stop)


async def test_an_unreadable_record_is_passed_over(bootstrap: str, tmp_path: Path) -> None:
    producer = KafkaProducer(bootstrap, "test")
    producer.send_bytes(DOCUMENT_STATUS, b"{not json", key="x", partition=partition_of("d", STATUS_PARTITIONS))
    producer.flush(WAIT_S)
    producer.close()
    say(bootstrap, event("d"))
    async with running(bootstrap, tmp_path / "db") as fold:
        assert await fold.wait_for("t", "d", lambda _: True, timeout_s=WAIT_S) is not None
