"""A backfill makes the target hold what the source holds: whatever comes and goes, and wherever it is cut off."""

import asyncio
from pathlib import Path

import numpy as np
import pytest

from contracts.codec import decode, encode
from contracts.generations import Generation
from contracts.ids import shard_of
from contracts.items import IndexUpdate, Item, ItemSet
from contracts.keys import item_key, item_prefix
from contracts.topics import index_updates
from ingest.backfill.checkpoint import forget_checkpoint, is_paused, read_checkpoint, set_paused
from ingest.backfill.copying import ItemCopier
from ingest.backfill.differences import newest_orders
from ingest.backfill.run import Backfill, Progress
from runtime.object_store import ObjectStore
from tests.ingest.memory_log import MemoryLog

SPACE, SHARDS = "s", 5


def generation(name: str, n_shards: int, space_id: str = SPACE) -> Generation:
    return Generation(
        tenant="t", name=name, space_id=space_id, n_shards=n_shards, state="building", created_ms=1, source="old"
    )


def items(doc_id: str, version: int, revision: int = 1, space_id: str = SPACE) -> ItemSet:
    vector = np.full(4, version, dtype="<f2").tobytes()
    return ItemSet(
        tenant="t",
        doc_id=doc_id,
        version=version,
        revision=revision,
        generation="old",
        space_id=space_id,
        collection="c",
        source_key=doc_id,
        content_type="text/plain",
        added_ms=1,
        items=(Item(item_id="t0", kind="text", vector=vector, text=f"{doc_id} {version}"),),
    )


class World:
    """A store with a source generation, and a log that the target's shards would read."""

    def __init__(self, folder: Path) -> None:
        self.store = ObjectStore.from_url(f"file://{folder}")
        self.log = MemoryLog(n_partitions=SHARDS)
        self.old, self.new = generation("old", 3), generation("new", SHARDS)
        self.now_s = 0.0

    async def put(self, doc_id: str, version: int, revision: int = 1, name: str = "old") -> None:
        await self.store.put(item_key(name, doc_id, version, revision), encode(items(doc_id, version, revision)))

    def copier(self) -> ItemCopier:
        return ItemCopier(self.store, self.log, self.old, self.new)

    async def sleep(self, seconds: float) -> None:
        self.now_s += seconds

    def backfill(self, copier: "ItemCopier | Interrupted", **options: object) -> Backfill:
        return Backfill(
            self.store,
            copier,
            source="old",
            target="new",
            settle_s=2.0,
            batch=4,
            clock=lambda: self.now_s,
            sleep=self.sleep,
            **options,  # type: ignore[arg-type]
        )

    async def orders(self, name: str) -> dict[str, tuple[int, int]]:
        return await newest_orders(self.store, name)

    def in_shards(self) -> dict[str, tuple[int, int]]:
        """What shards hold that have read the target's log: the highest order of each document, unless removed."""
        newest: dict[str, IndexUpdate] = {}
        for number, partition in enumerate(self.log.partitions(index_updates("new"))):
            for record in partition:
                update = decode(IndexUpdate, record.value)
                assert number == shard_of(update.doc_id, SHARDS)
                known = newest.get(update.doc_id)
                if known is None or (known.version, known.revision) < (update.version, update.revision):
                    newest[update.doc_id] = update
        return {u.doc_id: (u.version, u.revision) for u in newest.values() if u.op == "upsert"}


class Interrupted:
    """Does the work of a copier, and something else after a certain document."""

    def __init__(self, copier: ItemCopier, at: int, what: object) -> None:
        self._copier = copier
        self._left = at
        self._what = what

    async def copy(self, doc_id: str) -> bool:
        self._left -= 1
        now = self._left == 0
        done = await self._copier.copy(doc_id)
        if now:
            await self._what(doc_id)  # type: ignore[operator]
        return done

    async def remove(self, doc_id: str) -> bool:
        return await self._copier.remove(doc_id)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


async def run(backfill: Backfill, stop: asyncio.Event | None = None) -> Progress:
    return await backfill.run(stop or asyncio.Event())


def test_the_newest_items_of_every_document_reach_their_shard_of_the_target(world: World) -> None:
    async def work() -> Progress:
        for number in range(20):
            await world.put(f"d{number}", 1, 0)
            await world.put(f"d{number}", 1 + number % 3)
        return await run(world.backfill(world.copier()))

    progress = asyncio.run(work())
    expected = {f"d{n}": (1 + n % 3, 1) for n in range(20)}
    assert (progress.finished, progress.documents, progress.copied, progress.left) == (True, 20, 20, 0)
    assert asyncio.run(world.orders("new")) == expected == world.in_shards()
    stored = decode(ItemSet, asyncio.run(world.store.get(item_key("new", "d2", 3, 1))))
    assert (stored.generation, stored.items[0].text) == ("new", "d2 3")


def test_documents_that_come_change_and_go_meanwhile_end_as_in_the_source(world: World) -> None:
    async def meddle(_doc_id: str) -> None:
        await world.put("d0", 9)
        await world.put("late", 1)
        # Its tombstone reached the target before the copy did: only the store tells that it is gone.
        for key in [meta.key async for meta in world.store.list(item_prefix("old", "d1"))]:
            await world.store.delete(key)

    async def work() -> None:
        for number in range(10):
            await world.put(f"d{number}", 2)
        progress = await run(world.backfill(Interrupted(world.copier(), 6, meddle)))
        assert progress.finished
        assert progress.removed == 1

    asyncio.run(work())
    assert asyncio.run(world.orders("new")) == asyncio.run(world.orders("old")) == world.in_shards()
    assert "d1" not in world.in_shards()


def test_a_backfill_that_was_killed_goes_on_and_does_what_it_had_begun_again(world: World) -> None:
    async def die(_doc_id: str) -> None:
        raise ConnectionAbortedError

    async def work() -> None:
        for number in range(10):
            await world.put(f"d{number}", 1)
        with pytest.raises(ConnectionAbortedError):
            await run(world.backfill(Interrupted(world.copier(), 6, die)))
        left = await read_checkpoint(world.store, "new", "old")
        assert left.pending
        assert not left.finished
        # The worst place to die: stored, and not in the log.
        world.log.partitions(index_updates("new"))[:] = [[] for _ in range(SHARDS)]
        await world.store.put(item_key("new", left.pending[0], 1, 1), b"half")
        assert (await run(world.backfill(world.copier()))).finished
        assert left.pending[0] in world.in_shards()
        assert (await read_checkpoint(world.store, "new", "old")).finished

    asyncio.run(work())
    assert asyncio.run(world.orders("new")) == asyncio.run(world.orders("old"))


def test_a_pause_holds_it_still_between_two_batches_and_a_resume_goes_on(world: World) -> None:
    async def pause(_doc_id: str) -> None:
        await set_paused(world.store, "new", paused=True)

    async def work() -> None:
        for number in range(12):
            await world.put(f"d{number:02}", 1)
        progress = await run(world.backfill(Interrupted(world.copier(), 2, pause)))
        assert not progress.finished
        assert progress.copied == 4
        assert not (await run(world.backfill(world.copier()))).finished
        await set_paused(world.store, "new", paused=False)
        assert (await run(world.backfill(world.copier()))).copied == 12
        await forget_checkpoint(world.store, "new")
        assert not await is_paused(world.store, "new")

    asyncio.run(work())
    assert len(world.in_shards()) == 12


def test_one_that_is_stopped_in_its_last_round_does_not_call_itself_finished(world: World) -> None:
    async def work() -> None:
        await world.put("d", 1)
        world.now_s = 100.0
        stop = asyncio.Event()
        stop.set()
        progress = await run(world.backfill(world.copier()), stop)
        assert not progress.finished
        assert not (await read_checkpoint(world.store, "new", "old")).finished

    asyncio.run(work())


def test_items_that_cannot_be_used_are_told_and_hold_up_nobody(world: World) -> None:
    async def work() -> Progress:
        await world.put("good", 1)
        await world.store.put(item_key("old", "bad", 1, 1), b"\xff")
        await world.store.put(item_key("old", "alien", 1, 1), encode(items("alien", 1, space_id="other")))
        return await run(world.backfill(world.copier()))

    progress = asyncio.run(work())
    assert progress.finished
    assert progress.refused.keys() == {"bad", "alien"}
    assert world.in_shards().keys() == {"good"}


def test_the_last_look_comes_after_all_updaters_know_of_the_target(world: World) -> None:
    """One that comes while updaters still do not know reaches only the source's log."""

    async def work() -> Progress:
        await world.put("early", 1)
        original = world.sleep

        async def sleep(seconds: float) -> None:
            if world.now_s == 0:
                await world.put("unheard", 1)
            await original(seconds)

        world.sleep = sleep  # type: ignore[method-assign]
        return await run(world.backfill(world.copier()))

    assert asyncio.run(work()).copied == 2
    assert world.in_shards().keys() == {"early", "unheard"}
