"""Backups in a target: which there are, whether one is whole, and removing one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import TypeVar

import msgspec

from contracts.errors import BadMessage, NotFound
from runtime.object_store import ObjectStore
from stack.backup.layout import FORMAT, Entry, Manifest, backup_prefix, blob_key, manifest_key, sum_of, unpacked

T = TypeVar("T")

_MANIFEST = "/manifest.json"
_CONCURRENT_GETS = 8


async def read_manifest(target: ObjectStore, backup_id: str) -> Manifest:
    """What a backup holds.

    Raises:
        NotFound: there is no such backup, or it was never finished.
        BadMessage: another version of Trireme wrote it.
    """
    try:
        manifest = msgspec.json.decode(await target.get(manifest_key(backup_id)), type=Manifest)
    except NotFound:
        raise NotFound(f"There is no finished backup '{backup_id}'.") from None
    except (msgspec.DecodeError, msgspec.ValidationError) as exc:
        raise BadMessage(f"The manifest of the backup '{backup_id}' cannot be read.") from exc
    if manifest.format != FORMAT:
        raise BadMessage(
            f"The backup '{backup_id}' has the format {manifest.format}; this version reads {FORMAT}."
        )
    return manifest


async def list_backups(target: ObjectStore) -> list[Manifest]:
    """All finished backups, the newest first."""
    ids = [
        meta.key.removeprefix("backups/").removesuffix(_MANIFEST)
        async for meta in target.list("backups/")
        if meta.key.endswith(_MANIFEST)
    ]
    return [await read_manifest(target, backup_id) for backup_id in sorted(ids, reverse=True)]


async def newest_backup(target: ObjectStore, backup_id: str | None = None) -> Manifest:
    """The backup that is named, else the newest.

    Raises:
        NotFound: there is none.
    """
    if backup_id is not None:
        return await read_manifest(target, backup_id)
    known = await list_backups(target)
    if not known:
        raise NotFound("There is no finished backup here.")
    return known[0]


async def read_part(target: ObjectStore, manifest: Manifest, name: str, kind: type[T]) -> list[T]:
    """The values of one of a backup's files.

    Raises:
        BadMessage: the file is not what was written.
    """
    data = await target.get(f"{backup_prefix(manifest.id)}{name}")
    if sum_of(data) != manifest.files[name]:
        raise BadMessage(f"The file {name} of the backup '{manifest.id}' is damaged.")
    return unpacked(data, kind)


async def entries_of(target: ObjectStore, manifest: Manifest) -> AsyncIterator[Entry]:
    """The objects of a backup."""
    for name in parts(manifest, "objects"):
        for entry in await read_part(target, manifest, name, Entry):
            yield entry


def parts(manifest: Manifest, kind: str) -> Sequence[str]:
    """Names of a backup's files of one kind, in their order."""
    names = [name for name in manifest.files if name.startswith(f"{kind}-")]
    return sorted(names, key=lambda name: int(name.rpartition("-")[2]))


async def damaged(target: ObjectStore, manifest: Manifest) -> list[str]:
    """Keys of objects whose contents are missing or not what was written: reads all of the backup.

    Raises:
        BadMessage: one of the backup's own files is damaged.
    """
    for kind in ("status", "records"):
        for name in parts(manifest, kind):
            await read_part(target, manifest, name, msgspec.Raw)
    wrong: list[str] = []
    seen: dict[str, bool] = {}
    batch: list[Entry] = []

    async def check() -> None:
        new = {entry.sha256 for entry in batch} - seen.keys()
        for sha256, is_sound in zip(
            new, await asyncio.gather(*(_is_sound(target, each) for each in new)), strict=True
        ):
            seen[sha256] = is_sound
        wrong.extend(entry.key for entry in batch if not seen[entry.sha256])
        batch.clear()

    async for entry in entries_of(target, manifest):
        batch.append(entry)
        if len(batch) == _CONCURRENT_GETS:
            await check()
    await check()
    return wrong


async def remove_backup(target: ObjectStore, backup_id: str) -> int:
    """Remove a backup, and contents that no other one needs; returns how many of these.

    Not while a backup is being taken into the same target: its contents are not named by a manifest yet.

    Raises:
        NotFound: there is no such backup.
    """
    doomed = await read_manifest(target, backup_id)
    # The manifest goes first: a removal that is cut off leaves contents that nobody names, and no broken backup.
    await target.delete(manifest_key(backup_id))
    kept = {entry.sha256 for other in await list_backups(target) async for entry in entries_of(target, other)}
    gone = {entry.sha256 async for entry in entries_of(target, doomed)} - kept
    for sha256 in gone:
        await target.delete(blob_key(sha256))
    for name in doomed.files:
        await target.delete(f"{backup_prefix(backup_id)}{name}")
    return len(gone)


async def _is_sound(target: ObjectStore, sha256: str) -> bool:
    try:
        data = await target.get(blob_key(sha256))
    except NotFound:
        return False
    return sum_of(data).sha256 == sha256
