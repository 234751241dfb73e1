"""Backups in their target: what is damaged is named, what is shared stays, and a restore is whole or none."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from contracts.errors import BadMessage, Conflict, NotFound
from runtime.object_store import ObjectStore
from stack.backup.layout import FORMAT, Entry, Manifest, backup_prefix, blob_key, manifest_key, packed, sum_of
from stack.backup.library import damaged, list_backups, newest_backup, remove_backup
from stack.backup.restoring import NOTE_KEY, refuse_half_restored, restore

FIRST, SECOND = "20261127T010000Z", "20261127T020000Z"


def store_in(folder: Path) -> ObjectStore:
    return ObjectStore.from_url(f"file://{folder}")


async def write_backup(target: ObjectStore, backup_id: str, contents: dict[str, bytes]) -> Manifest:
    """A backup as `Taking` writes one, of given objects."""
    entries = []
    for key, data in contents.items():
        sha256 = sum_of(data).sha256
        await target.put(blob_key(sha256), data)
        entries.append(Entry(key, len(data), None, sha256))
    files = {}
    for kind, values in {"objects": entries, "status": [b"{}"], "records": []}.items():
        for number, data in enumerate(packed(values)):
            name = f"{kind}-{number}"
            await target.put(f"{backup_prefix(backup_id)}{name}", data)
            files[name] = sum_of(data)
    manifest = Manifest(
        format=FORMAT,
        id=backup_id,
        created_ms=0,
        seconds=0.0,
        log_epoch=1,
        generations=("g",),
        space_ids=("s",),
        objects=len(entries),
        object_bytes=sum(map(len, contents.values())),
        copied_bytes=0,
        rounds=1,
        documents={"indexed": 1},
        unsettled=(),
        files=files,
    )
    await target.put(manifest_key(backup_id), msgspec.json.encode(manifest))
    return manifest


@pytest.fixture
def target(tmp_path: Path) -> ObjectStore:
    return store_in(tmp_path / "target")


@pytest.fixture
def manifest(target: ObjectStore) -> Manifest:
    return asyncio.run(write_backup(target, FIRST, {"objects/t/c/a": b"alpha", "items/g/d/1.0": b"beta"}))


def test_a_whole_backup_has_no_damage(target: ObjectStore, manifest: Manifest) -> None:
    assert asyncio.run(damaged(target, manifest)) == []


@pytest.mark.parametrize("changed", [b"alphA", b"alph", None])
def test_contents_that_changed_or_are_missing_are_named(
    target: ObjectStore, manifest: Manifest, changed: bytes | None
) -> None:
    key = blob_key(sum_of(b"alpha").sha256)
    asyncio.run(target.put(key, changed) if changed is not None else target.delete(key))
    assert asyncio.run(damaged(target, manifest)) == ["objects/t/c/a"]


@pytest.mark.parametrize("name", ["objects-0", "status-0"])
def test_a_damaged_file_of_the_backup_itself_is_said(target: ObjectStore, manifest: Manifest, name: str) -> None:
    asyncio.run(target.put(f"{backup_prefix(FIRST)}{name}", b"something else"))
    with pytest.raises(BadMessage, match=name):
        asyncio.run(damaged(target, manifest))


def test_a_backup_without_a_manifest_is_none(target: ObjectStore, manifest: Manifest) -> None:
    asyncio.run(target.delete(manifest_key(FIRST)))
    assert asyncio.run(list_backups(target)) == []
    with pytest.raises(NotFound, match="no finished backup"):
        asyncio.run(newest_backup(target))


def test_a_manifest_of_another_format_is_refused(target: ObjectStore, manifest: Manifest) -> None:
    newer = msgspec.structs.replace(manifest, format=FORMAT + 1)
    asyncio.run(target.put(manifest_key(FIRST), msgspec.json.encode(newer)))
    with pytest.raises(BadMessage, match="format"):
        asyncio.run(newest_backup(target))


def test_removing_a_backup_leaves_what_another_one_needs(target: ObjectStore, manifest: Manifest) -> None:
    second = asyncio.run(write_backup(target, SECOND, {"objects/t/c/a": b"alpha", "items/g/d/2.0": b"gamma"}))
    assert [each.id for each in asyncio.run(list_backups(target))] == [SECOND, FIRST]
    assert asyncio.run(remove_backup(target, FIRST)) == 1
    assert [each.id for each in asyncio.run(list_backups(target))] == [SECOND]
    assert asyncio.run(damaged(target, second)) == []
    with pytest.raises(NotFound):
        asyncio.run(target.get(blob_key(sum_of(b"beta").sha256)))


def test_a_restore_brings_every_object_and_says_so_last(
    target: ObjectStore, manifest: Manifest, tmp_path: Path
) -> None:
    store = store_in(tmp_path / "store")
    assert asyncio.run(restore(target, manifest, store)) == 2
    assert asyncio.run(store.get("objects/t/c/a")) == b"alpha"
    assert asyncio.run(store.get("items/g/d/1.0")) == b"beta"
    assert FIRST.encode() in asyncio.run(store.get(NOTE_KEY))
    asyncio.run(refuse_half_restored(store))


def test_a_store_that_holds_something_is_left_alone(
    target: ObjectStore, manifest: Manifest, tmp_path: Path
) -> None:
    store = store_in(tmp_path / "store")
    asyncio.run(store.put("objects/t/c/other", b"mine"))
    with pytest.raises(Conflict, match="objects/t/c/other"):
        asyncio.run(restore(target, manifest, store))
    assert asyncio.run(store.get("objects/t/c/other")) == b"mine"
    with pytest.raises(NotFound):
        asyncio.run(store.get("objects/t/c/a"))


def test_a_restore_that_was_cut_off_stops_the_stack_and_can_be_run_again(
    target: ObjectStore, manifest: Manifest, tmp_path: Path
) -> None:
    store, missing = store_in(tmp_path / "store"), blob_key(sum_of(b"beta").sha256)
    asyncio.run(target.delete(missing))
    with pytest.raises(BadMessage, match=r"items/g/d/1\.0"):
        asyncio.run(restore(target, manifest, store))
    with pytest.raises(Conflict, match="cut off"):
        asyncio.run(refuse_half_restored(store))
    asyncio.run(target.put(missing, b"beta"))
    asyncio.run(restore(target, manifest, store))
    asyncio.run(refuse_half_restored(store))
    assert asyncio.run(store.get("items/g/d/1.0")) == b"beta"
