"""Workers as members of real consumer groups: what a log in memory cannot show."""

import asyncio
import contextlib
import threading
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from contracts.documents import Delayed
from contracts.errors import Conflict
from contracts.generations import Generation
from contracts.ids import version_of
from contracts.topics import Stage, fixed_topics
from ingest.clock import now_ms
from ingest.consuming import GroupSource
from ingest.lanes import Limits
from ingest.live_generations import LogGenerations
from ingest.record_flow import RecordFlow
from ingest.reports import moved_to_bulk
from ingest.work import Outcome, Work
from ingest.worker import Worker, lanes_of
from runtime.generations import publish_generation
from runtime.kafka_producer import KafkaProducer
from runtime.object_store import ObjectStore
from runtime.publishing import DocumentPublisher
from runtime.telemetry import Metrics, new_trace
from runtime.topics_admin import ensure_topics
from stack.ports import free_ports
from stack.servers.java import find_java
from stack.servers.kafka import KafkaNode, KafkaPorts, prepare_kafka
from tests.ingest.harness import eventually
from tests.stack.servers.conftest import PATHS, becomes_ready, last_words, needs, started

pytestmark = pytest.mark.integration

EPOCH = 1


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a real Kafka with all topics."""
    java = find_java(PATHS.java_wheel)
    needs(java is not None and PATHS.kafka_jars.is_dir(), "the broker")
    assert java is not None
    folder = tmp_path_factory.mktemp("kafka")
    node = KafkaNode(java.executable, PATHS.kafka_jars, PATHS.kafka_log4j, folder / "data")
    spec, log = prepare_kafka(node, KafkaPorts(*free_ports(2))), folder / "log"
    with started(spec, log) as process:
        assert asyncio.run(becomes_ready(spec, process)), last_words(log)
        address = f"127.0.0.1:{spec.ports['clients']}"
        ensure_topics(address, fixed_topics(), timeout_s=60)
        yield address


@pytest.fixture
def producer(broker: str) -> Iterator[KafkaProducer]:
    made = KafkaProducer(broker, "test")
    yield made
    made.close()


class Noting:
    """A handler that notes when it worked on which of one test's documents."""

    stage: Stage = "text"
    announces = False

    def __init__(self, collection: str, plan: Callable[[Work], Awaitable[None]] | None = None) -> None:
        self.collection = collection
        self.done: list[tuple[str, int]] = []
        self.works: list[Work] = []
        self._plan = plan

    async def handle(self, work: Work) -> Outcome:
        if work.document.collection == self.collection:
            self.works.append(work)
            if self._plan is not None:
                await self._plan(work)
            self.done.append((work.document.source_key, now_ms()))
        return Outcome(state=None)

    def names(self) -> set[str]:
        return {name for name, _ in self.done}


class Member:
    """One worker of the test's own group."""

    def __init__(
        self,
        broker: str,
        group: str,
        name: str,
        handler: Noting,
        producer: KafkaProducer,
        *,
        max_poll_interval_s: float = 60.0,
    ) -> None:
        flow = RecordFlow(
            handler,
            producer,
            Metrics(),
            worker=group,
            log_epoch=EPOCH,
            handle_timeout_s=60,
            now_ms=now_ms,
        )
        self.stop = threading.Event()
        self.worker = Worker(
            "text",
            GroupSource(broker, group, name, lanes_of("text"), max_poll_interval_s=max_poll_interval_s),
            flow.carry,
            limits=Limits(),
            shutdown_s=5,
            now_ms=now_ms,
        )

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Member"]:
        task = asyncio.create_task(self.worker.run(self.stop))
        try:
            await eventually(lambda: task.done() or self.worker.readiness()[0])
            yield self
        finally:
            self.stop.set()
            await asyncio.wait_for(task, 30)


@pytest.fixture
def collection() -> str:
    """A name that no other test uses, for a collection and a group."""
    return f"c-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def publish(tmp_path: Path, producer: KafkaProducer, collection: str) -> Callable[[str], Awaitable[int]]:
    door = DocumentPublisher(ObjectStore.from_url(f"file://{tmp_path}"), producer, EPOCH)

    async def put(name: str) -> int:
        return (await door.publish("t", collection, name, b"text", "text/plain", new_trace())).version

    return put


async def test_what_is_published_arrives_with_the_version_that_the_door_was_told(
    broker: str, producer: KafkaProducer, collection: str, publish: Callable[[str], Awaitable[int]]
) -> None:
    handler = Noting(collection)
    versions = {name: await publish(name) for name in "abc"}
    async with Member(broker, collection, "m", handler, producer).running():
        await eventually(lambda: handler.names() == {"a", "b", "c"})
    assert {work.document.source_key: work.version for work in handler.works} == versions
    assert min(versions.values()) >= version_of(EPOCH, 0)


async def test_a_delayed_record_waits_until_it_is_due_and_holds_nothing_up(
    broker: str, producer: KafkaProducer, collection: str, publish: Callable[[str], Awaitable[int]]
) -> None:
    handler = Noting(collection)
    await publish("origin")
    async with Member(broker, collection, "m", handler, producer).running() as member:
        await eventually(lambda: handler.names() == {"origin"})
        moved = moved_to_bulk(handler.works[0]).message
        assert isinstance(moved, Delayed)
        due_ms = now_ms() + 1500
        fields = {name: getattr(moved, name) for name in moved.__struct_fields__}
        late = Delayed(**fields | {"due_ms": due_ms, "attempt": 1, "cause": "test"})
        producer.send("retry.text.10s", late, key=late.doc_id).result(10)
        await eventually(lambda: member.worker.readiness()[1]["held"] == 1)
        await publish("live")
        await eventually(lambda: "live" in handler.names())
        await eventually(lambda: len(handler.works) == 3)
    [first, live, again] = handler.done
    assert live[1] < due_ms <= again[1]
    assert (handler.works[2].version, handler.works[2].attempt) == (handler.works[0].version, 1)
    assert first[0] == again[0] == "origin"


async def test_finished_work_is_not_done_again_after_a_restart(
    broker: str, producer: KafkaProducer, collection: str, publish: Callable[[str], Awaitable[int]]
) -> None:
    before, after = Noting(collection), Noting(collection)
    for name in ("a", "b"):
        await publish(name)
    async with Member(broker, collection, "m", before, producer).running():
        await eventually(lambda: before.names() == {"a", "b"})
    await publish("c")
    async with Member(broker, collection, "m", after, producer).running():
        await eventually(lambda: after.names() == {"c"})
    assert after.names() == {"c"}


async def test_a_second_member_takes_its_share_and_nothing_is_left_out(
    broker: str, producer: KafkaProducer, collection: str, publish: Callable[[str], Awaitable[int]]
) -> None:
    proceed = asyncio.Event()

    async def wait(_: Work) -> None:
        await proceed.wait()

    first, second = Noting(collection, wait), Noting(collection)
    names = {f"n{i}" for i in range(40)}
    for name in sorted(names):
        await publish(name)
    async with Member(broker, collection, "m1", first, producer).running() as one:
        await eventually(lambda: len(first.works) == 2)
        all_partitions = one.worker.readiness()[1]["partitions"]
        async with Member(broker, collection, "m2", second, producer).running() as two:
            await eventually(lambda: one.worker.readiness()[1]["partitions"] != all_partitions)
            proceed.set()
            await eventually(lambda: first.names() | second.names() == names)
            shares = [member.worker.readiness()[1]["partitions"] for member in (one, two)]
    assert all(isinstance(share, int) and share > 0 for share in shares)
    assert second.names()


async def test_a_process_whose_place_was_taken_ends(broker: str, producer: KafkaProducer, collection: str) -> None:
    handler = Noting(collection)
    old = Member(broker, collection, "same-name", handler, producer)
    task = asyncio.create_task(old.worker.run(old.stop))
    await eventually(lambda: old.worker.readiness()[0])
    async with Member(broker, collection, "same-name", handler, producer).running():
        with pytest.raises(Conflict, match="place"):
            await asyncio.wait_for(task, 30)


async def test_long_work_does_not_cost_the_membership(
    broker: str, producer: KafkaProducer, collection: str, publish: Callable[[str], Awaitable[int]]
) -> None:
    """Longer than the 6 s after which a group gives up a member that is silent, or that does not poll."""

    async def slowly(_: Work) -> None:
        end = time.monotonic() + 7
        while time.monotonic() < end:
            await asyncio.to_thread(time.sleep, 0.5)

    handler = Noting(collection, slowly)
    await publish("long")
    async with Member(broker, collection, "m", handler, producer, max_poll_interval_s=6.0).running() as member:
        await eventually(lambda: handler.names() == {"long"})
        assert member.worker.readiness()[0]
    assert len(handler.works) == 1


async def test_generations_are_read_again_when_what_is_known_is_old(broker: str, producer: KafkaProducer) -> None:
    now_s = 0.0
    known = LogGenerations(broker, keep_s=5, clock=lambda: now_s)
    first = Generation(tenant="t", name="g", space_id="s", n_shards=3, state="building", created_ms=1)
    publish_generation(producer, first)
    assert [g.state for g in await known.all()] == ["building"]
    publish_generation(producer, msgspec.structs.replace(first, state="serving"))
    assert [g.state for g in await known.all()] == ["building"]
    now_s = 6.0
    assert [g.state for g in await known.all()] == ["serving"]
