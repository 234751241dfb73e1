"""Puts a backup into an empty object store; the set-up step of the stack that is started over it does the rest.

Objects come first, then, under `checkpoints/restored/`, what belongs on the new log, last of all the note that
says so: a restore that was cut off is begun again, and until then no stack takes the store for a whole one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

import msgspec

from contracts.errors import BadMessage, Conflict, NotFound
from runtime.object_store import ObjectStore
from stack.backup.layout import Entry, Manifest, backup_prefix, blob_key, sum_of
from stack.backup.library import entries_of, parts

RESTORED = "checkpoints/restored/"
NOTE_KEY = f"{RESTORED}note.json"
_BEGUN_KEY = f"{RESTORED}begun.json"
_AT_ONCE = 8
# Where a store that was used holds something.
_USED = ("objects/", "items/", "halves/", "derived/", "checkpoints/")


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """What the set-up step has still to bring onto the log.

    Args:
        backup: id of the backup.
        files: names of files under `checkpoints/restored/`, in the order in which they are brought.
        unsettled: documents to announce anew.
    """

    backup: str
    files: tuple[str, ...]
    unsettled: tuple[str, ...]


class Begun(msgspec.Struct, frozen=True):
    """Says of a store that a restore of this backup was begun."""

    backup: str


async def restore(
    target: ObjectStore,
    manifest: Manifest,
    store: ObjectStore,
    told: Callable[[int, int], None] = lambda _done, _of: None,
) -> int:
    """Put a backup into an object store that no stack uses; returns the objects written.

    Args:
        told: called with how many objects are there, of how many.

    Raises:
        Conflict: the store holds something already, other than an earlier try of this very restore.
        BadMessage: contents are missing from the backup, or not what was written.
        DependencyDown: a store does not answer.
    """
    await _require_empty(store, manifest.id)
    await store.put(_BEGUN_KEY, msgspec.json.encode(Begun(manifest.id)))
    done = 0
    batch: list[Entry] = []
    async for entry in entries_of(target, manifest):
        batch.append(entry)
        if len(batch) == _AT_ONCE:
            done += await _put_all(target, store, batch)
            batch.clear()
            told(done, manifest.objects)
    done += await _put_all(target, store, batch)
    told(done, manifest.objects)
    files = [*parts(manifest, "records"), *parts(manifest, "status")]
    for name in files:
        data = await target.get(f"{backup_prefix(manifest.id)}{name}")
        if sum_of(data) != manifest.files[name]:
            raise BadMessage(f"The file {name} of the backup '{manifest.id}' is damaged.")
        await store.put(f"{RESTORED}{name}", data)
    note = Note(backup=manifest.id, files=tuple(files), unsettled=manifest.unsettled)
    await store.put(NOTE_KEY, msgspec.json.encode(note))
    await store.delete(_BEGUN_KEY)
    return done


async def refuse_half_restored(store: ObjectStore) -> None:
    """Raise where a restore was begun and not finished.

    Raises:
        Conflict: so it was.
    """
    async for meta in store.list(RESTORED):
        if meta.key == _BEGUN_KEY:
            raise Conflict("A restore into this object store was cut off: run it again before starting the stack.")


async def _require_empty(store: ObjectStore, backup_id: str) -> None:
    try:
        begun = msgspec.json.decode(await store.get(_BEGUN_KEY), type=Begun)
    except NotFound:
        begun = None
    if begun is not None and begun.backup == backup_id:
        return
    async for key in _keys(store, _USED):
        raise Conflict(f"The object store is not empty: it has '{key}'. Restore into an empty one.")


async def _keys(store: ObjectStore, prefixes: Sequence[str]) -> AsyncIterator[str]:
    for prefix in prefixes:
        async for meta in store.list(prefix):
            yield meta.key


async def _put_all(target: ObjectStore, store: ObjectStore, entries: Sequence[Entry]) -> int:
    await asyncio.gather(*(_put(target, store, entry) for entry in entries))
    return len(entries)


async def _put(target: ObjectStore, store: ObjectStore, entry: Entry) -> None:
    try:
        data = await target.get(blob_key(entry.sha256))
    except NotFound:
        raise BadMessage(f"The backup lacks the contents of '{entry.key}'.") from None
    if (await asyncio.to_thread(sum_of, data)).sha256 != entry.sha256:
        raise BadMessage(f"The backup's contents of '{entry.key}' are damaged.")
    await store.put(entry.key, data)
