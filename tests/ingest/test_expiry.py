"""Expiry: which documents go, what goes with them, and what a newer upload keeps."""

import os
from concurrent.futures import Future
from pathlib import Path

import pytest

from contracts.codec import Message
from contracts.errors import Conflict, NotFound
from contracts.generations import Generation
from contracts.ids import document_id, shard_of
from contracts.index_door import UnusedDocument
from contracts.items import IndexUpdate
from contracts.keys import half_key, item_key, object_key, picture_key
from ingest.expiry import Expiry, require_modest
from runtime.kafka_producer import Sent
from runtime.object_store import ObjectStore

VERSION = 2**40 + 7
OLD_MS = 1_000_000_000_000
LIMIT_MS = 1_500_000_000_000


class Log:
    """Keeps what was sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, int | None, IndexUpdate]] = []

    def send(
        self, topic: str, message: Message, *, key: str | None = None, partition: int | None = None
    ) -> "Future[Sent]":
        assert isinstance(message, IndexUpdate)
        assert key == message.doc_id
        self.sent.append((topic, partition, message))
        future: Future[Sent] = Future()
        future.set_result(Sent(0, len(self.sent)))
        return future


class Gone:
    def __init__(self) -> None:
        self.added: list[tuple[str, str, int]] = []

    async def add(self, tenant: str, doc_id: str, version: int) -> None:
        self.added.append((tenant, doc_id, version))


def generation(name: str, n_shards: int) -> Generation:
    return Generation(
        tenant="default", name=name, space_id=f"space-{name}", n_shards=n_shards, state="serving", created_ms=1
    )


GENERATIONS = (generation("a", 3), generation("b", 5))


class World:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store, self.log, self.gone = ObjectStore.from_url(f"file://{folder}"), Log(), Gone()
        self.expiry = Expiry(self.store, self.log, self.gone, GENERATIONS, written_before_ms=LIMIT_MS)

    async def put(self, key: str, *, written_ms: int = OLD_MS) -> str:
        await self.store.put(key, b"bytes")
        os.utime(self.folder / key, (written_ms / 1000, written_ms / 1000))
        return key

    async def there(self, *keys: str) -> list[str]:
        found = []
        for key in keys:
            try:
                await self.store.head(key)
            except NotFound:
                continue
            found.append(key)
        return found


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def unused(name: str = "a.pdf", version: int = VERSION) -> UnusedDocument:
    return UnusedDocument(
        tenant="default",
        doc_id=document_id("default", "manuals", name),
        version=version,
        collection="manuals",
        source_key=name,
        content_type="application/pdf",
        added_ms=OLD_MS,
        accessed_day=10_000,
    )


async def test_every_generation_gets_a_tombstone_of_the_document_s_own_version(world: World) -> None:
    document = unused()
    assert await world.expiry.run([document]) == 1
    assert [(topic, partition) for topic, partition, _ in world.log.sent] == [
        (f"index_updates.{one.name}", shard_of(document.doc_id, one.n_shards)) for one in GENERATIONS
    ]
    for _, _, update in world.log.sent:
        assert (update.op, update.version, update.revision) == ("expire", VERSION, 2)
        assert update.space_id == f"space-{update.generation}"
    assert world.gone.added == [("default", document.doc_id, VERSION)]


async def test_what_was_kept_of_the_version_goes_and_what_a_newer_one_brought_stays(world: World) -> None:
    document = unused()
    goes = [
        await world.put(item_key("a", document.doc_id, VERSION, 1)),
        await world.put(item_key("b", document.doc_id, VERSION, 0)),
        await world.put(half_key("space-a", document.doc_id, VERSION, "text")),
        await world.put(picture_key(document.doc_id, VERSION, 0)),
        await world.put(object_key("default", "manuals", "a.pdf")),
    ]
    stays = [
        await world.put(item_key("a", document.doc_id, VERSION + 5, 1)),
        await world.put(half_key("space-a", document.doc_id, VERSION + 5, "image")),
        await world.put(picture_key(document.doc_id, VERSION + 5, 0)),
        await world.put(item_key("a", unused("b.pdf").doc_id, VERSION, 1)),
    ]
    await world.expiry.run([document])
    assert await world.there(*goes) == []
    assert await world.there(*stays) == stays


async def test_a_file_that_was_uploaded_again_meanwhile_is_spared(world: World) -> None:
    file = await world.put(object_key("default", "manuals", "a.pdf"), written_ms=LIMIT_MS + 1000)
    await world.expiry.run([unused()])
    assert await world.there(file) == [file]


async def test_a_name_that_no_store_can_hold_expires_all_the_same(world: World) -> None:
    assert await world.expiry.run([unused("..")]) == 1
    assert len(world.log.sent) == 2


@pytest.mark.parametrize(("n", "of"), [(0, 0), (0, 10), (10, 100)])
def test_a_modest_share_may_expire(n: int, of: int) -> None:
    require_modest(n, of, 0.1)


def test_more_than_the_share_is_refused_with_both_numbers() -> None:
    with pytest.raises(Conflict, match="11 of 100"):
        require_modest(11, 100, 0.1)
