from pathlib import Path

import pytest

from contracts.errors import ConfigurationError, NotFound, Superseded
from runtime.log_epoch import read_log_epoch, settle_log_epoch
from runtime.object_store import ObjectStore


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return ObjectStore.from_url(f"file://{tmp_path}/objects")


async def test_an_object_comes_back_as_it_was_put(store: ObjectStore) -> None:
    await store.put("objects/t/c/a b.pdf", b"bytes")
    assert await store.get("objects/t/c/a b.pdf") == b"bytes"
    assert (await store.head("objects/t/c/a b.pdf")).size_bytes == 5


async def test_reading_with_the_etag_of_a_replaced_object_is_superseded(store: ObjectStore) -> None:
    old = await store.put("k", b"old")
    new = await store.put("k", b"newer")
    with pytest.raises(Superseded):
        await store.get("k", if_match=old)
    assert await store.get("k", if_match=new) == b"newer"


async def test_a_file_is_stored_like_its_bytes(store: ObjectStore, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x" * 100_000)
    await store.put_file("k", tmp_path / "f")
    assert len(await store.get("k")) == 100_000


async def test_deleting_twice_is_deleting(store: ObjectStore) -> None:
    await store.put("k", b"")
    await store.delete("k")
    await store.delete("k")
    with pytest.raises(NotFound):
        await store.get("k")


async def test_a_prefix_lists_and_deletes_whole_segments_only(store: ObjectStore) -> None:
    for key in ("items/g/a/1.0", "items/g/a/1.1", "items/g/ab/1.0"):
        await store.put(key, b"x")
    assert sorted([meta.key async for meta in store.list("items/g/a/")]) == ["items/g/a/1.0", "items/g/a/1.1"]
    assert await store.delete_prefix("items/g/a/") == 2
    assert [meta.key async for meta in store.list("items/")] == ["items/g/ab/1.0"]


async def test_listing_what_does_not_exist_is_empty(store: ObjectStore) -> None:
    assert [meta async for meta in store.list("nothing/")] == []


@pytest.mark.parametrize("url", ["", "http://x/y", "file://", "/tmp/x"])
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(ConfigurationError):
        ObjectStore.from_url(url)


async def test_the_log_epoch_rises_only_when_the_topic_was_re_created(store: ObjectStore) -> None:
    with pytest.raises(ConfigurationError):
        await read_log_epoch(store)
    assert [await settle_log_epoch(store, name) for name in ("c/1", "c/1", "c/2", "c/2", "d/1")] == [1, 1, 2, 2, 3]
    assert await read_log_epoch(store) == 3
