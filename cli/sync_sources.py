"""Listings that `trireme ingest --sync` compares with the documents: a folder, a bucket, or the store itself."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit
from urllib.request import url2pathname

from cli.doors import StackDoor, TwoWayDoor
from cli.files import NamedFile, named_files
from cli.looking import Looker
from contracts.api import DocumentView
from contracts.errors import InvalidInput, NotFound
from contracts.ids import DEFAULT_TENANT
from contracts.keys import ObjectPlace, object_key, read_object_key
from contracts.names import safe_name
from ingest.doors.announcing import added, deleted
from runtime.object_store import ObjectMeta, ObjectStore


class Source(Protocol):
    """Somewhere files are listed.

    `verdicts` is asked after the documents were read, so that what comes in meanwhile is at most announced twice,
    and never deleted.
    """

    def verdicts(self, views: Mapping[str, DocumentView]) -> dict[str, bool | str]:
        """Of each listed name what `cli.sync_plan.make_plan` wants to know; documents by name."""
        ...

    def hand_in(self, name: str) -> tuple[str, int]:
        """Bring a file's document up to date; id and version."""
        ...

    def remove(self, view: DocumentView) -> bool:
        """Delete a document, unless its file has come back; whether it was."""
        ...


class FolderSource:
    """A folder whose files a collection mirrors, named by their path in it."""

    def __init__(self, folder: Path, door: TwoWayDoor, looker: Looker) -> None:
        if not folder.is_dir():
            raise NotFound(f"There is no folder '{folder}'.")
        self._folder = folder.resolve()
        self._door = door
        self._looker = looker
        self._files: dict[str, NamedFile] = {}

    def verdicts(self, views: Mapping[str, DocumentView]) -> dict[str, bool | str]:  # noqa: ARG002 - a looker asks
        """See `Source.verdicts`; every file is read."""
        try:
            found = named_files([self._folder])
        except InvalidInput:
            found = []
        inside = [NamedFile(file.path, file.name.partition("/")[2]) for file in found]
        self._files = {file.name: file for file in inside}
        looks = {name: self._looker.look(file) for name, file in self._files.items()}
        return {name: look.reason or look.verdict == "unchanged" for name, look in looks.items()}

    def hand_in(self, name: str) -> tuple[str, int]:
        """See `Source.hand_in`."""
        return self._door.put(self._files[name])

    def remove(self, view: DocumentView) -> bool:
        """See `Source.remove`."""
        if view.source is None or (self._folder / view.source).exists():
            return False
        self._door.remove(view)
        return True


class BucketSource:
    """Another bucket that a collection mirrors, objects named by their key below the URL.

    What has the size of its document is read to be compared: two stores' etags mean nothing to each other.
    """

    def __init__(self, url: str, door: TwoWayDoor, looker: Looker) -> None:
        self._store = ObjectStore.from_url(url)
        self._door = door
        self._looker = looker
        self._runner = asyncio.Runner()
        self._objects: dict[str, ObjectMeta] = {}

    def verdicts(self, views: Mapping[str, DocumentView]) -> dict[str, bool | str]:
        """See `Source.verdicts`."""
        self._objects = {
            safe_name(meta.key): meta for meta in self._runner.run(self._listed()) if not meta.key.endswith("/")
        }
        return {name: self._verdict(name, meta, views.get(name)) for name, meta in self._objects.items()}

    def hand_in(self, name: str) -> tuple[str, int]:
        """See `Source.hand_in`."""
        with self._fetched(name) as file:
            return self._door.put(file)

    def remove(self, view: DocumentView) -> bool:
        """See `Source.remove`."""
        try:
            self._runner.run(self._store.head(view.source or ""))
        except NotFound:
            self._door.remove(view)
            return True
        return False

    def _verdict(self, name: str, meta: ObjectMeta, view: DocumentView | None) -> bool | str:
        if view is None or view.size_bytes != meta.size_bytes:
            return False
        with self._fetched(name) as file:
            look = self._looker.look(file)
        return look.reason or look.verdict == "unchanged"

    async def _listed(self) -> list[ObjectMeta]:
        return [meta async for meta in self._store.list("")]

    @contextmanager
    def _fetched(self, name: str) -> Iterator[NamedFile]:
        folder = Path(tempfile.mkdtemp(prefix="trireme-sync-"))
        try:
            path = folder / "file"
            path.write_bytes(self._runner.run(self._store.get(self._objects[name].key)))
            yield NamedFile(path, name)
        finally:
            shutil.rmtree(folder)


class OwnSource:
    """The store's own documents of one collection: the files are there, only their events may be missing."""

    def __init__(self, door: StackDoor, collection: str) -> None:
        self._door = door
        self._collection = collection
        self._objects: dict[str, ObjectMeta] = {}

    def verdicts(self, views: Mapping[str, DocumentView]) -> dict[str, bool | str]:
        """See `Source.verdicts`; etags are compared, and no file is read."""
        by_key = {object_key(DEFAULT_TENANT, self._collection, name): name for name in views}
        prefix = object_key(DEFAULT_TENANT, self._collection, "x").rsplit("/", 1)[0]
        found: dict[str, bool | str] = {}
        for meta in self._door.objects(f"{prefix}/"):
            try:
                place = read_object_key(meta.key)
            except InvalidInput as refusal:
                found[meta.key] = refusal.message
                continue
            name = by_key.get(meta.key) or (place.source_key if place else None)
            if name is None:
                found[meta.key] = "The document's name is too long for its key, and nobody has told it."
                continue
            self._objects[name] = meta
            found[name] = is_announced(views.get(name), meta)
        return found

    def hand_in(self, name: str) -> tuple[str, int]:
        """See `Source.hand_in`."""
        return self._door.announce(added(self._place(name), self._objects[name]))

    def remove(self, view: DocumentView) -> bool:
        """See `Source.remove`."""
        name = view.source or ""
        key = object_key(DEFAULT_TENANT, self._collection, name)
        raw = f"objects/{DEFAULT_TENANT}/{self._collection}/{name}"
        if self._door.has_object(key) or self._door.has_object(raw):
            return False
        self._door.announce(deleted(self._place(name), key))
        return True

    def _place(self, name: str) -> ObjectPlace:
        return ObjectPlace(DEFAULT_TENANT, self._collection, name)


def is_announced(view: DocumentView | None, meta: ObjectMeta) -> bool:
    """Whether the newest version of a document is about this very object."""
    if view is None or view.state in {"deleted", "expired", "superseded"}:
        return False
    if view.state == "deleting":
        return True
    return view.etag == meta.etag if view.etag is not None else view.size_bytes == meta.size_bytes


@dataclass(frozen=True, slots=True)
class SourceUrl:
    """What `--sync` names."""

    url: str

    def folder(self) -> Path | None:
        """The folder behind file:///folder, or a plain path."""
        parts = urlsplit(self.url)
        if parts.scheme == "file":
            return Path(url2pathname(parts.path))
        return Path(self.url) if not parts.scheme else None

    def is_own(self, objects_url: str | None) -> bool:
        """Whether it is the stack's own store, or its documents."""
        own = (objects_url or "").rstrip("/")
        return bool(own) and self.url.rstrip("/") in {own, f"{own}/objects", f"{own}/objects/{DEFAULT_TENANT}"}
