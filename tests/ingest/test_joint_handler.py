import asyncio
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.codec import decode
from contracts.documents import Delayed, FileAdded
from contracts.errors import DependencyDown, SpaceMismatch
from contracts.generations import Generation, GenerationState
from contracts.halves import Half, Picture, TextChunk
from contracts.ids import shard_of
from contracts.items import IndexUpdate, ItemSet
from contracts.keys import item_key, item_prefix
from contracts.space import Space
from contracts.status import StageEvent, fold
from contracts.topics import DOCUMENT_STATUS, index_updates
from contracts.trace import TraceContext
from ingest.halves import deleted, store_half
from ingest.joint_handler import JointHandler
from ingest.patience import Patience
from ingest.work import Work
from runtime.object_store import ObjectStore
from tests.ingest.harness import Clock, RunningWorker, dead_letters, eventually, messages, states
from tests.ingest.memory_log import MemoryLog
from tests.ingest.samples import VERSION, chunk, document, image_half, picture, space, text_half

SPACE = space()
N_SHARDS = 3
DEADLINE_MS = 120_000


class KnownGenerations:
    def __init__(self, *generations: Generation) -> None:
        self.known = generations

    async def all(self, *, newest: bool = False) -> tuple[Generation, ...]:
        return self.known


class GoneInMemory:
    def __init__(self) -> None:
        self.versions: dict[tuple[str, str], int] = {}

    async def add(self, tenant: str, doc_id: str, version: int) -> None:
        self.versions[tenant, doc_id] = version


class KnownSpaces:
    """The spaces whose models are there."""

    def __init__(self, *spaces: Space) -> None:
        self.known = {each.space_id: each for each in spaces}

    def all(self) -> Mapping[str, Space]:
        return self.known

    def of(self, space_id: str) -> Space:
        if space_id not in self.known:
            raise SpaceMismatch(f"There are no models of the space {space_id}.")
        return self.known[space_id]


class World:
    """A store, a log and a joint updater between them, with what the embedders would have left there."""

    def __init__(self, folder: Path, *generations: Generation) -> None:
        self.store = ObjectStore.from_url(f"file://{folder}")
        self.log = MemoryLog(n_partitions=2)
        self.clock = Clock()
        self.gone = GoneInMemory()
        self.spaces = KnownSpaces(SPACE)
        self.generations = KnownGenerations(*(generations or (generation("g"),)))

    def handler(self) -> JointHandler:
        return JointHandler(
            self.spaces,
            self.store,
            self.generations,
            self.gone,
            patience=Patience(budget_s=0),
            join_deadline_s=DEADLINE_MS / 1000,
            now_ms=self.clock,
        )

    def worker(self) -> RunningWorker:
        return RunningWorker(self.log, self.handler(), self.clock)

    async def upload(self, name: str = "report.pdf", data: bytes = b"bytes") -> FileAdded:
        """A file in the store and its event."""
        event = document(name)
        return document(name, etag=await self.store.put(event.uri, data))

    async def embedded(self, half: Half) -> None:
        """A half in the store and the pointer to it on the log."""
        outcome = await store_half(self.store, half, len(half.chunks) + len(half.pictures), Patience())
        for outgoing in outcome.outgoing:
            self.log.send(outgoing.topic, outgoing.message, key=outgoing.key)

    def say_deleted(self, event: FileAdded, version: int) -> None:
        """The text embedder's news of a delete."""
        event = msgspec.structs.replace(event, event="deleted", size_bytes=0)
        trace = TraceContext("a" * 32, "b" * 16)
        work = Work("text", event, None, version, 0, False, False, "file_added", b"", trace)
        outgoing = deleted(work, SPACE.space_id)
        self.log.send(outgoing.topic, outgoing.message, key=outgoing.key)

    async def settle(self, worker: RunningWorker) -> None:
        """Wait until everything is done, letting deadlines come due."""

        def done() -> bool:
            if worker.worker.readiness()[1]["held"]:
                self.clock.ms += DEADLINE_MS
            return worker.done()

        await eventually(done)

    def updates(self, name: str = "g") -> list[IndexUpdate]:
        return messages(self.log, index_updates(name), IndexUpdate)

    def order(self, name: str = "g") -> set[tuple[int, int]]:
        return {(update.version, update.revision) for update in self.updates(name)}

    async def keys(self, prefix: str) -> list[str]:
        return sorted([meta.key async for meta in self.store.list(prefix)])

    def shown(self) -> dict[str, tuple[int, ...]]:
        """What a shard would show now: per document its newest (version, revision) and number of items."""
        newest: dict[str, tuple[int, ...]] = {}
        for update in self.updates():
            items = decode(ItemSet, update.inline).items if update.inline else ()
            newest[update.doc_id] = max(
                newest.get(update.doc_id, (0,)), (update.version, update.revision, len(items))
            )
        return newest


def generation(name: str, *, state: GenerationState = "serving", in_space: str = SPACE.space_id) -> Generation:
    return Generation(
        tenant="t",
        name=name,
        space_id=in_space,
        n_shards=N_SHARDS,
        state=state,
        created_ms=1,
    )


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "objects")


def text(of: FileAdded, *chunks: TextChunk, version: int = VERSION) -> Half:
    return text_half(*chunks, of=of, version=version)


def image(of: FileAdded, *pictures: Picture, version: int = VERSION) -> Half:
    return image_half(*pictures, of=of, version=version)


@pytest.mark.parametrize("first", ["text", "image"])
async def test_the_second_half_is_joined_whichever_it_is(world: World, first: str) -> None:
    event = await world.upload()
    halves = [text(event, chunk(0)), image(event, picture(0))]
    async with world.worker() as worker:
        await world.embedded(halves.pop(0 if first == "text" else 1))
        await eventually(lambda: states(world.log, event.doc_id) == ["running"])
        assert world.updates() == []
        await world.embedded(halves.pop())
        await eventually(lambda: states(world.log, event.doc_id) == ["running", "done"])
        [update] = world.updates()
        assert (update.version, update.revision, update.op) == (VERSION, 1, "upsert")
        await world.settle(worker)
    assert len(world.updates()) == 1
    assert states(world.log, event.doc_id) == ["running", "done"]


async def test_an_update_goes_to_its_shards_partition_and_is_stored_first(world: World) -> None:
    event = await world.upload()
    async with world.worker():
        await world.embedded(text(event, chunk(0), chunk(1)))
        await world.embedded(image(event, picture(0)))
        await eventually(lambda: bool(world.updates()))
        [record, *_] = world.log.records(index_updates("g"))
        assert (record.partition, record.key) == (shard_of(event.doc_id, N_SHARDS), event.doc_id)
        stored = await world.store.get(item_key("g", event.doc_id, VERSION, 1))
        assert world.updates()[0].inline == stored
        assert [item.item_id for item in decode(ItemSet, stored).items] == ["t0", "t1", "p0"]


async def test_a_half_left_alone_is_made_searchable_at_the_deadline(world: World) -> None:
    event = await world.upload()
    async with world.worker() as worker:
        await world.embedded(text(event, chunk(0)))
        await eventually(lambda: bool(world.log.records("retry.join.120s")))
        world.clock.ms += DEADLINE_MS - 1
        await eventually(lambda: worker.worker.readiness()[1]["held"] == 1)
        assert world.updates() == []
        world.clock.ms += 1
        await eventually(worker.done)
        assert world.order() == {(VERSION, 0)}
        await world.embedded(image(event, picture(0)))
        await eventually(worker.done)
    assert world.order() == {(VERSION, 0), (VERSION, 1)}
    assert await world.keys(item_prefix("g")) == [item_key("g", event.doc_id, VERSION, 1)]
    status = fold(e for e in messages(world.log, DOCUMENT_STATUS, StageEvent))
    assert (status.stages["join"].state, status.stages["join"].revision) == ("done", 1)


async def test_an_empty_half_alone_makes_nothing_at_the_deadline(world: World) -> None:
    event = await world.upload()
    async with world.worker() as worker:
        await world.embedded(text(event))
        await eventually(lambda: bool(world.log.records("retry.join.120s")))
        await world.settle(worker)
        assert world.updates() == []
        assert dead_letters(world.log) == []
        await world.embedded(image(event, picture(0)))
        await eventually(worker.done)
    assert world.order() == {(VERSION, 1)}


async def test_a_document_with_nothing_in_it_fails_with_a_reason(world: World) -> None:
    event = await world.upload()
    async with world.worker():
        await world.embedded(text(event))
        await world.embedded(image(event))
        await eventually(lambda: bool(dead_letters(world.log)))
        await eventually(lambda: states(world.log, event.doc_id)[-1:] == ["failed"])
    assert dead_letters(world.log)[0].cause == "no_content"
    assert world.updates() == []


async def test_every_live_generation_of_the_space_gets_the_items(tmp_path: Path) -> None:
    world = World(
        tmp_path,
        generation("old"),
        generation("new", state="building"),
        generation("past", state="retired"),
        generation("other", in_space="x" * 16),
    )
    event = await world.upload()
    async with world.worker():
        await world.embedded(text(event, chunk(0)))
        await world.embedded(image(event))
        await eventually(lambda: states(world.log, event.doc_id)[-1:] == ["done"])
    assert world.order("old") == world.order("new") == {(VERSION, 1)}
    assert world.updates("past") == world.updates("other") == []
    [update, *_] = world.updates("new")
    assert update.inline is not None
    assert decode(ItemSet, update.inline).generation == "new"


async def test_without_a_live_generation_the_work_waits(tmp_path: Path) -> None:
    world = World(tmp_path, generation("past", state="retired"))
    event = await world.upload()
    async with world.worker() as worker:
        await world.embedded(text(event, chunk(0)))
        await world.embedded(image(event))
        await eventually(lambda: bool(world.log.records("retry.join.10s")))
        world.generations.known = (generation("g"),)
        world.clock.ms += 10_000
        await eventually(lambda: world.order() == {(VERSION, 1)})
        await world.settle(worker)
    assert messages(world.log, "retry.join.10s", Delayed)[0].cause == "dependency_down_index"


async def test_a_deadline_that_met_an_outage_is_still_a_deadline_when_tried_again(world: World) -> None:
    event = await world.upload()
    async with world.worker() as worker:
        await world.embedded(text(event, chunk(0)))
        await eventually(lambda: bool(world.log.records("retry.join.120s")))
        world.generations.known = ()
        world.clock.ms += DEADLINE_MS
        await eventually(lambda: bool(world.log.records("retry.join.10s")))
        world.generations.known = (generation("g"),)
        world.clock.ms += 10_000
        await eventually(worker.done)
    assert world.order() == {(VERSION, 0)}
    assert len(world.log.records("retry.join.120s")) == 1


async def test_a_newer_version_replaces_items_and_halves_of_the_older(world: World) -> None:
    event = await world.upload()
    async with world.worker() as worker:
        for version in (VERSION, VERSION + 9):
            await world.embedded(text(event, chunk(0), version=version))
            await world.embedded(image(event, version=version))
            await eventually(lambda: (version, 1) in world.order())  # noqa: B023
        await eventually(lambda: states(world.log, event.doc_id).count("done") >= 2)
        await world.settle(worker)
    assert await world.keys(item_prefix("g")) == [item_key("g", event.doc_id, VERSION + 9, 1)]
    assert all(f"/{VERSION + 9}/" in key for key in await world.keys("halves/"))


async def test_late_halves_of_an_older_version_leave_nothing_behind(world: World) -> None:
    event = await world.upload()
    async with world.worker() as worker:
        await world.embedded(text(event, chunk(0), version=VERSION + 9))
        await world.embedded(image(event, version=VERSION + 9))
        await world.settle(worker)
        await world.embedded(image(event, picture(0)))
        await world.embedded(text(event, chunk(0)))
        await eventually(lambda: "superseded" in states(world.log, event.doc_id))
        await world.settle(worker)
    assert world.order() == {(VERSION + 9, 1)}
    assert await world.keys(item_prefix("g")) == [item_key("g", event.doc_id, VERSION + 9, 1)]


async def test_a_delete_publishes_a_tombstone_and_then_erases_everything(world: World) -> None:
    event = await world.upload()
    other = await world.upload("other.pdf")
    await world.store.put(f"derived/{event.doc_id}/{VERSION}/picture-0", b"p")
    async with world.worker() as worker:
        for one in (event, other):
            await world.embedded(text(one, chunk(0)))
            await world.embedded(image(one))
        await eventually(lambda: len(world.shown()) == 2)
        world.say_deleted(event, VERSION + 1)
        await world.settle(worker)
    last = max((u for u in world.updates() if u.doc_id == event.doc_id), key=lambda u: (u.version, u.revision))
    assert (last.op, last.version, last.revision, last.inline, last.claim) == (
        "delete",
        VERSION + 1,
        1,
        None,
        None,
    )
    for prefix in ("items/", "halves/", "derived/", "objects/"):
        assert not any(event.doc_id in key or event.uri == key for key in await world.keys(prefix))
    assert other.uri in await world.keys("objects/")
    assert await world.keys(item_prefix("g", other.doc_id))
    assert world.gone.versions == {("t", event.doc_id): VERSION + 1}


async def test_a_delete_spares_a_file_that_was_uploaded_again_meanwhile(world: World) -> None:
    event = await world.upload()
    again = await world.upload(data=b"other bytes")
    async with world.worker() as worker:
        world.say_deleted(event, VERSION + 1)
        await eventually(worker.done)
    assert await world.store.get(again.uri) == b"other bytes"


async def test_halves_that_come_after_the_delete_stay_out_of_the_index(world: World) -> None:
    event = await world.upload()
    async with world.worker() as worker:
        world.say_deleted(event, VERSION + 1)
        await eventually(worker.done)
        await world.embedded(text(event, chunk(0)))
        await world.embedded(image(event, picture(0)))
        await eventually(lambda: "superseded" in states(world.log, event.doc_id))
        await world.settle(worker)
    assert [update.op for update in world.updates()] == ["delete"]
    assert await world.keys(item_prefix("g")) == []


class UnreliableStore(ObjectStore):
    """A store that is away for the first delete."""

    outages = 1

    async def delete(self, key: str) -> None:
        if self.outages:
            self.outages -= 1
            raise DependencyDown("object_store")
        await super().delete(key)


async def test_a_store_that_is_away_while_erasing_has_the_delete_done_again(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.store = UnreliableStore.from_url(f"file://{tmp_path}")
    event = await world.upload()
    async with world.worker() as worker:
        world.say_deleted(event, VERSION + 1)
        await eventually(lambda: bool(world.log.records("retry.join.10s")))
        world.clock.ms += 10_000
        await eventually(worker.done)
    assert await world.keys("objects/") == []
    assert {update.op for update in world.updates()} == {"delete"}


async def test_a_half_written_twice_is_joined_all_the_same(world: World) -> None:
    event = await world.upload()
    await world.embedded(text(event, chunk(0)))
    await world.embedded(text(event, chunk(0), chunk(1)))
    async with world.worker() as worker:
        await world.embedded(image(event))
        await world.settle(worker)
    assert world.shown()[event.doc_id] == (VERSION, 1, 2)
    assert dead_letters(world.log) == []


@pytest.mark.parametrize("kill_after", range(4))
async def test_a_kill_at_any_point_ends_with_the_same_items(world: World, kill_after: int) -> None:
    event = await world.upload()
    halves = [text(event, chunk(0)), image(event, picture(0))]
    async with world.worker() as worker:
        if kill_after:
            await world.embedded(halves.pop(0))
        if kill_after > 1:
            await eventually(lambda: bool(world.log.records("retry.join.120s")))
        if kill_after > 2:
            await world.embedded(halves.pop(0))
            await eventually(lambda: bool(world.updates()))
        await worker.kill()
    for half in halves:
        await world.embedded(half)
    async with world.worker() as worker:
        await eventually(lambda: world.shown().get(event.doc_id) == (VERSION, 1, 2))
        await world.settle(worker)
    assert world.shown() == {event.doc_id: (VERSION, 1, 2)}
    assert await world.keys(item_prefix("g")) == [item_key("g", event.doc_id, VERSION, 1)]


steps = st.permutations([("text", 0), ("image", 0), ("text", 1), ("image", 1)])
repeats = st.lists(st.integers(0, 3), max_size=3)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=steps, again=repeats, deadline_after=st.integers(0, 4))
def test_any_order_of_halves_repeats_and_deadlines_shows_the_newest_whole_version(
    tmp_path_factory: pytest.TempPathFactory, order: list[tuple[str, int]], again: list[int], deadline_after: int
) -> None:
    async def scenario() -> None:
        world = World(tmp_path_factory.mktemp("store"))
        event = await world.upload()

        async def arrive(kind: str, version: int) -> None:
            if kind == "text":
                await world.embedded(text(event, chunk(0), version=VERSION + version))
            else:
                await world.embedded(image(event, picture(0), version=VERSION + version))

        async with world.worker() as worker:
            for place, step in enumerate([*order, *(order[i] for i in again)]):
                if place == deadline_after:
                    world.clock.ms += DEADLINE_MS
                await arrive(*step)
            await world.settle(worker)
        assert world.shown() == {event.doc_id: (VERSION + 1, 1, 2)}
        newest = item_key("g", event.doc_id, VERSION + 1, 1)
        assert await world.keys(item_prefix("g")) == [newest]
        assert dead_letters(world.log) == []

    asyncio.run(scenario())
