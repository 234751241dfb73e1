"""The object store against a real S3 API server, and through a proxy that says SlowDown."""

import asyncio
import hashlib
import io
from collections.abc import Iterator
from typing import BinaryIO, cast

import pytest

from contracts.errors import Conflict, DependencyDown, NotFound, Superseded
from runtime.hashed_reading import PART_BYTES
from runtime.log_epoch import read_log_epoch, settle_log_epoch
from runtime.object_store import ObjectStore
from tests.s3_server import BUCKET, FaultyProxy, S3Server, faulty_proxy, s3_server, use

URL = f"s3://{BUCKET}/some/prefix"
MANY = 1_003


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with s3_server() as started:
        yield started


@pytest.fixture
def store(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    use(server, monkeypatch)
    return ObjectStore.from_url(URL)


@pytest.fixture
def proxy(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyProxy]:
    with faulty_proxy(server) as started:
        use(started, monkeypatch)
        yield started


def noise(size_bytes: int) -> bytes:
    """Bytes of which no part is like another."""
    return hashlib.shake_128(size_bytes.to_bytes(8)).digest(size_bytes)


async def test_an_object_lies_under_the_url_s_prefix_with_its_attributes(
    store: ObjectStore, server: S3Server
) -> None:
    attributes = {"Content-Type": "text/plain", "trireme-announced-by": "door"}
    stored = await store.put_stream("objects/t/c/a b é.txt", io.BytesIO(b"text"), attributes=attributes)
    meta = await store.head("objects/t/c/a b é.txt")
    assert (meta.etag, meta.size_bytes, meta.attributes) == (stored.etag, 4, attributes)
    foreign = server.client.get_object(Bucket=BUCKET, Key="some/prefix/objects/t/c/a b é.txt")
    assert (foreign["Body"].read(), foreign["ContentType"]) == (b"text", "text/plain")


async def test_a_large_object_goes_in_parts_and_comes_back_whole(store: ObjectStore) -> None:
    data = noise(2 * PART_BYTES + 77)
    stored = await store.put_stream("large", io.BytesIO(data))
    assert (stored.size_bytes, stored.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert stored.etag is not None
    assert stored.etag.strip('"').endswith("-3"), "three parts"
    assert await store.get("large", if_match=stored.etag) == data


async def test_an_object_of_exactly_one_part_and_one_of_a_byte_more(store: ObjectStore) -> None:
    for size in (0, PART_BYTES, PART_BYTES + 1):
        stored = await store.put_stream("edge", io.BytesIO(noise(size)))
        assert (await store.head("edge")).size_bytes == stored.size_bytes == size


class BreaksOff(io.BytesIO):
    """A file of which only the beginning can be read."""

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() >= 2 * PART_BYTES:
            raise OSError("the disk is gone")
        return super().read(size)


async def test_a_large_object_whose_file_breaks_off_leaves_nothing_behind(
    store: ObjectStore, server: S3Server
) -> None:
    broken = cast(BinaryIO, BreaksOff(noise(3 * PART_BYTES)))
    with pytest.raises(DependencyDown):
        await store.put_stream("broken", broken)
    with pytest.raises(NotFound):
        await store.head("broken")
    assert server.unfinished_uploads() == []


async def test_reading_with_the_etag_of_a_replaced_object_is_superseded(store: ObjectStore) -> None:
    old = await store.put("k", b"old")
    new = await store.put("k", b"newer")
    with pytest.raises(Superseded):
        await store.get("k", if_match=old)
    assert await store.get("k", if_match=new) == b"newer"


async def test_of_many_who_create_the_same_object_one_wins(store: ObjectStore) -> None:
    outcomes = await asyncio.gather(*(store.create("once", bytes([n])) for n in range(8)), return_exceptions=True)
    winners = [n for n, outcome in enumerate(outcomes) if isinstance(outcome, str)]
    assert len(winners) == 1
    assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 7
    assert await store.get("once") == bytes(winners)


async def test_more_keys_than_a_page_holds_are_listed_once_each(store: ObjectStore, server: S3Server) -> None:
    for n in range(MANY):
        server.client.put_object(Bucket=BUCKET, Key=f"some/prefix/many/{n:05}", Body=b"")
    await store.put("many-not-below/x", b"")
    listed = [meta.key async for meta in store.list("many/")]
    assert sorted(listed) == [f"many/{n:05}" for n in range(MANY)]


async def test_a_store_that_says_slow_down_is_asked_again(proxy: FaultyProxy) -> None:
    store = ObjectStore.from_url(URL)
    proxy.faults = 3
    await store.put("slow", b"bytes")
    proxy.faults = 3
    assert await store.get("slow") == b"bytes"
    proxy.faults = 2
    assert (await store.head("slow")).size_bytes == 5
    assert len(proxy.asked) == 4 + 4 + 3


async def test_slow_down_in_the_middle_of_a_large_object_costs_time_only(proxy: FaultyProxy) -> None:
    store = ObjectStore.from_url(URL)
    data = noise(2 * PART_BYTES + 5)
    proxy.faults = 4
    await store.put_stream("slow-large", io.BytesIO(data))
    assert await store.get("slow-large") == data


async def test_a_store_that_never_recovers_is_down_within_the_deadline(proxy: FaultyProxy) -> None:
    proxy.faults = 10**6
    async with asyncio.timeout(20):
        with pytest.raises(DependencyDown):
            await ObjectStore.from_url(URL).get("k")


async def test_the_log_epoch_is_settled_once_by_whoever_comes_first(store: ObjectStore) -> None:
    epochs = await asyncio.gather(*(settle_log_epoch(store, "cluster/topic") for _ in range(4)))
    assert set(epochs) == {1}
    assert await read_log_epoch(store) == 1
