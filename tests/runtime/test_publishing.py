import asyncio
import contextlib
import hashlib
import socket
from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import BinaryIO

import pytest

from contracts.codec import decode
from contracts.documents import FileAdded
from contracts.errors import DependencyDown, InvalidInput, NotFound
from contracts.ids import document_id, version_of
from contracts.keys import object_key
from contracts.status import StageEvent
from contracts.topics import DOCUMENT_STATUS, FILE_ADDED
from contracts.trace import TraceContext
from runtime.kafka_producer import KafkaProducer, Sent
from runtime.object_store import ObjectStore, StoredBytes
from runtime.publishing import DocumentPublisher
from tests.ingest.memory_log import MemoryLog

TRACE = TraceContext("a" * 32, "b" * 16)
KEY = object_key("t", "c", "report.pdf")


class DiesAfterProbe(MemoryLog):
    """Kafka that goes away between the question whether it is there and the record."""

    def probe(self, topic: str, *, timeout_s: float = 2.0) -> None:
        self.down = True


class NeverAnswers(MemoryLog):
    """Kafka that takes records and says nothing."""

    def send(self, *_: object, **__: object) -> "Future[Sent]":
        return Future()


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return ObjectStore.from_url(f"file://{tmp_path}/objects")


def publisher(store: ObjectStore, log: MemoryLog) -> DocumentPublisher:
    return DocumentPublisher(store, log, 2, ack_timeout_s=0.05, now_ms=lambda: 77)  # type: ignore[arg-type]


async def publish(
    door: DocumentPublisher, data: bytes | Path = b"bytes", name: str = "report.pdf"
) -> tuple[str, int]:
    return await door.publish("t", "c", name, data, "application/pdf", TRACE)


async def test_a_document_is_stored_announced_and_known_to_the_status(store: ObjectStore) -> None:
    log = MemoryLog(n_partitions=1)
    doc_id, version = await publish(publisher(store, log))
    [event] = [decode(FileAdded, record.value) for record in log.records(FILE_ADDED)]
    [status] = [decode(StageEvent, record.value) for record in log.records(DOCUMENT_STATUS)]
    assert doc_id == event.doc_id == document_id("t", "c", "report.pdf")
    assert version == status.version == version_of(2, 0)
    assert await store.get(event.uri, if_match=event.etag) == b"bytes"
    assert (status.stage, status.state, status.source_key, status.size_bytes) == ("door", "done", "report.pdf", 5)
    assert (event.event, event.size_bytes, event.at_ms, status.trace_id) == ("added", 5, 77, TRACE.trace_id)


async def test_a_file_is_published_like_its_bytes(store: ObjectStore, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x" * 1000)
    log = MemoryLog()
    await publish(publisher(store, log), tmp_path / "f")
    assert len(await store.get(KEY)) == 1000
    event = decode(FileAdded, log.records(FILE_ADDED)[0].value)
    assert (event.size_bytes, event.sha256) == (1000, hashlib.sha256(b"x" * 1000).hexdigest())


async def test_while_kafka_is_away_nothing_is_stored(store: ObjectStore) -> None:
    log = MemoryLog()
    log.down = True
    with pytest.raises(DependencyDown):
        await publish(publisher(store, log))
    with pytest.raises(NotFound):
        await store.head(KEY)


@pytest.mark.parametrize("log", [DiesAfterProbe(), NeverAnswers()], ids=["dies", "never answers"])
async def test_a_new_file_that_could_not_be_announced_is_taken_out_again(
    store: ObjectStore, log: MemoryLog
) -> None:
    with pytest.raises(DependencyDown):
        await publish(publisher(store, log))
    with pytest.raises(NotFound):
        await store.head(KEY)


async def test_a_delete_names_the_file_that_it_saw(store: ObjectStore) -> None:
    log = MemoryLog(n_partitions=1)
    door = publisher(store, log)
    await publish(door)
    doc_id, version = await door.delete("t", "c", "report.pdf", "application/pdf", TRACE)
    event = decode(FileAdded, log.records(FILE_ADDED)[1].value)
    assert (event.event, event.doc_id, event.size_bytes, version) == ("deleted", doc_id, 0, version_of(2, 1))
    meta = await store.head(KEY)
    assert (event.etag, event.modified_ms) == (meta.etag, meta.modified_ms)
    assert decode(StageEvent, log.records(DOCUMENT_STATUS)[1].value).op == "delete"


async def test_a_name_that_cannot_be_a_key_is_refused(store: ObjectStore) -> None:
    with pytest.raises(InvalidInput):
        await publish(publisher(store, MemoryLog()), name="../secret")


class FirstIsSlow(ObjectStore):
    """A store whose first put comes back only after the second one, unless there is none for a while."""

    puts = 0
    second: asyncio.Event

    async def put_stream(
        self, key: str, file: BinaryIO, *, attributes: Mapping[str, str] | None = None
    ) -> StoredBytes:
        self.puts += 1
        if self.puts > 1:
            stored = await super().put_stream(key, file, attributes=attributes)
            self.second.set()
            return stored
        self.second = asyncio.Event()
        stored = await super().put_stream(key, file, attributes=attributes)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.second.wait(), 0.3)
        return stored


async def test_uploads_of_one_document_side_by_side_are_announced_in_the_order_stored(tmp_path: Path) -> None:
    log, store = MemoryLog(n_partitions=1), FirstIsSlow.from_url(f"file://{tmp_path}")
    door = publisher(store, log)
    await asyncio.gather(publish(door, b"one"), publish(door, b"two or more"))
    last = decode(FileAdded, log.records(FILE_ADDED)[-1].value)
    assert len(log.records(FILE_ADDED)) == 2
    assert len(await store.get(KEY, if_match=last.etag)) == last.size_bytes


async def test_without_a_broker_an_upload_is_refused_in_seconds_and_leaves_nothing(store: ObjectStore) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound, but nobody listens
        producer = KafkaProducer(f"127.0.0.1:{held.getsockname()[1]}", "door")
        try:
            async with asyncio.timeout(10):
                with pytest.raises(DependencyDown):
                    await publish(DocumentPublisher(store, producer, 2))
        finally:
            producer.close()
    assert [meta.key async for meta in store.list("objects/")] == []
