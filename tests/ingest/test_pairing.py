"""The joint updater behind real embedders: files go in at `file_added`, what the shards would show comes out."""

import base64
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from contracts.codec import decode
from contracts.halves import HalfReady
from contracts.ids import version_of
from contracts.items import ItemSet
from contracts.keys import item_key, item_prefix
from contracts.topics import EMBEDDINGS, FILE_ADDED
from ingest.extraction.run import Extractor
from runtime.kafka import Record
from tests.ingest.harness import LOG_EPOCH, RunningWorker, dead_letters, eventually, messages, states
from tests.ingest.test_handlers import NamedVectors, image_handler, png, text_handler, uploaded
from tests.ingest.test_joint_handler import World

NAME = "manual.html"
FIRST, SECOND = version_of(LOG_EPOCH, 0), version_of(LOG_EPOCH, 1)
TEN_MINUTES_MS = 10 * 60 * 1000


def page(colour: str) -> bytes:
    """A web page with a paragraph and a picture: something for either half."""
    picture = base64.b64encode(png(colour)).decode()
    words = f"The {colour} valve is opened, cleaned and closed again."
    return f'<html><body><p>{words}</p><img src="data:image/png;base64,{picture}"></body></html>'.encode()


class Pipeline:
    """A joint updater's world with both embedders before it."""

    def __init__(self, folder: Path, reader: Extractor) -> None:
        self.world = World(folder)
        self.reader = reader
        self.doc_id = ""

    async def upload(self, colour: str, name: str = NAME) -> None:
        event = await uploaded(self.world.store, name, page(colour))
        self.doc_id = event.doc_id
        self.world.log.send(FILE_ADDED, event, key=event.doc_id)

    def embedder(self, half: str) -> RunningWorker:
        make = text_handler if half == "text" else image_handler
        handler = make(self.world.store, self.reader, NamedVectors())
        return RunningWorker(self.world.log, handler, self.world.clock)

    async def embed(self, half: str) -> None:
        """Let one embedder do everything that is announced."""
        async with self.embedder(half) as worker:
            await eventually(worker.done)

    async def join(self) -> None:
        """Let the joint updater do everything, deadlines included."""
        async with self.world.worker() as worker:
            await self.world.settle(worker)

    def arrive_again(self, order: Sequence[int]) -> None:
        """Let the pointers that were published arrive once more, in the order of these places among them."""
        log = self.world.log
        pointers = [record for record in log.records(EMBEDDINGS) if record.key == self.doc_id]
        for place in order:
            record: Record = pointers[place]
            log.send_bytes(EMBEDDINGS, record.value, key=record.key, headers=record.headers)

    def shown(self) -> tuple[int, ...] | None:
        """(version, revision, number of items) that a shard would show."""
        return self.world.shown().get(self.doc_id)

    async def stored(self) -> list[str]:
        return await self.world.keys(item_prefix("g"))

    def words_and_pictures(self) -> set[tuple[int, str]]:
        """(version, text) of every item that any update ever showed."""
        updates = [update for update in self.world.updates() if update.inline]
        return {
            (update.version, item.text)
            for update in updates
            for item in decode(ItemSet, update.inline or b"").items
        }


@pytest.fixture
async def pipeline(tmp_path: Path) -> AsyncIterator[Pipeline]:
    async with Extractor() as reader:
        yield Pipeline(tmp_path / "objects", reader)


@pytest.mark.parametrize("order", [("text", "image"), ("image", "text")])
async def test_halves_are_joined_in_either_order(pipeline: Pipeline, order: tuple[str, str]) -> None:
    await pipeline.upload("orange")
    for half in order:
        await pipeline.embed(half)
    await pipeline.join()
    assert pipeline.shown() == (FIRST, 1, 2)
    assert await pipeline.stored() == [item_key("g", pipeline.doc_id, FIRST, 1)]
    # Each pointer may find both halves there: then each says the same.
    [inline] = {update.inline for update in pipeline.world.updates()}
    _, picture = decode(ItemSet, inline or b"").items
    assert (picture.kind, picture.swallows) == ("picture", "t0")


async def test_a_kill_between_the_halves_loses_neither(pipeline: Pipeline) -> None:
    await pipeline.upload("orange")
    await pipeline.embed("text")
    async with pipeline.world.worker() as worker:
        await eventually(lambda: bool(pipeline.world.log.records("retry.join.120s")))
        await worker.kill()
    await pipeline.embed("image")
    await pipeline.join()
    assert pipeline.shown() == (FIRST, 1, 2)
    assert await pipeline.stored() == [item_key("g", pipeline.doc_id, FIRST, 1)]


@pytest.mark.parametrize("late", ["text", "image"])
async def test_a_half_ten_minutes_late_replaces_what_its_twin_showed_alone(pipeline: Pipeline, late: str) -> None:
    await pipeline.upload("orange")
    await pipeline.embed("image" if late == "text" else "text")
    async with pipeline.world.worker() as joiner:
        await eventually(lambda: bool(pipeline.world.log.records("retry.join.120s")))
        pipeline.world.clock.ms += TEN_MINUTES_MS
        await eventually(lambda: pipeline.shown() == (FIRST, 0, 1))
        await pipeline.embed(late)
        await eventually(joiner.done)
    assert pipeline.world.order() == {(FIRST, 0), (FIRST, 1)}
    assert pipeline.shown() == (FIRST, 1, 2)
    assert await pipeline.stored() == [item_key("g", pipeline.doc_id, FIRST, 1)]


async def test_both_halves_twice_and_reversed_change_nothing(pipeline: Pipeline) -> None:
    await pipeline.upload("orange")
    await pipeline.embed("text")
    await pipeline.embed("image")
    await pipeline.join()
    before = pipeline.words_and_pictures()
    pipeline.arrive_again((1, 0))
    await pipeline.join()
    assert pipeline.words_and_pictures() == before
    assert pipeline.shown() == (FIRST, 1, 2)
    assert await pipeline.stored() == [item_key("g", pipeline.doc_id, FIRST, 1)]


async def test_an_old_version_that_comes_last_changes_nothing(pipeline: Pipeline) -> None:
    await pipeline.upload("orange")
    await pipeline.embed("text")
    await pipeline.embed("image")
    await pipeline.join()
    await pipeline.upload("green")
    await pipeline.embed("image")
    await pipeline.embed("text")
    await pipeline.join()
    pipeline.arrive_again((0, 1))
    await pipeline.join()
    assert pipeline.shown() == (SECOND, 1, 2)
    assert await pipeline.stored() == [item_key("g", pipeline.doc_id, SECOND, 1)]
    assert "superseded" in states(pipeline.world.log, pipeline.doc_id)
    assert dead_letters(pipeline.world.log) == []


@pytest.mark.parametrize("first", ["text", "image"])
async def test_a_file_overwritten_between_its_two_readers_is_never_half_old_half_new(
    pipeline: Pipeline, first: str
) -> None:
    second = "image" if first == "text" else "text"
    await pipeline.upload("orange")
    await pipeline.embed(first)
    await pipeline.upload("green")
    await pipeline.embed(second)
    await pipeline.embed(first)
    pointers = messages(pipeline.world.log, EMBEDDINGS, HalfReady)
    assert {(pointer.version, pointer.half) for pointer in pointers} == {
        (FIRST, first),
        (SECOND, "text"),
        (SECOND, "image"),
    }
    await pipeline.join()
    assert pipeline.shown() == (SECOND, 1, 2)
    assert {text for version, text in pipeline.words_and_pictures() if version == SECOND} == {
        "The green valve is opened, cleaned and closed again."
    }
    assert all("green" not in text for version, text in pipeline.words_and_pictures() if version == FIRST)
    assert "superseded" in states(pipeline.world.log, pipeline.doc_id)
    assert await pipeline.stored() == [item_key("g", pipeline.doc_id, SECOND, 1)]
