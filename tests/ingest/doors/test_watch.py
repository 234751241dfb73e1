import asyncio
import os
from pathlib import Path

import pytest

from contracts.errors import ConfigurationError, DependencyDown, InvalidInput
from contracts.trace import TraceContext
from ingest.doors.folder_state import Settling, Stamp, load_state, scan
from ingest.doors.watch import FolderNotices, WatchedFolder

SETTLE_S = 1.0


class Shelf:
    """A publisher that remembers what it was told, and what would be searchable."""

    def __init__(self) -> None:
        self.down = False
        self.told: list[tuple[str, str]] = []
        self.documents: dict[str, bytes] = {}
        self.types: dict[str, str] = {}

    async def publish(
        self, tenant: str, collection: str, source_key: str, data: Path, content_type: str, trace: TraceContext
    ) -> tuple[str, int]:
        if self.down:
            raise DependencyDown("kafka")
        if "forbidden" in source_key:
            raise InvalidInput("A name that cannot be.")
        if "fleeting" in source_key:
            await asyncio.to_thread(data.unlink)
        self.told.append(("added", source_key))
        self.documents[source_key] = await asyncio.to_thread(data.read_bytes)
        self.types[source_key] = content_type
        return source_key, len(self.told)

    async def delete(
        self, tenant: str, collection: str, source_key: str, content_type: str, trace: TraceContext
    ) -> tuple[str, int]:
        self.told.append(("deleted", source_key))
        del self.documents[source_key]
        return source_key, len(self.told)


class Watched:
    """A folder, its watcher and the time."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "inbox"
        self.folder.mkdir(exist_ok=True)
        self.state_file = root / "state" / "watch.json"
        self.shelf = Shelf()
        self.now_s = 0.0
        self.restart()

    def restart(self) -> None:
        self._watch = WatchedFolder(
            self.folder,
            load_state(self.state_file),
            self.state_file,
            self.shelf,
            tenant="t",
            collection="c",
            settle_s=SETTLE_S,
        )

    def write(self, name: str, data: bytes) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    async def settle(self) -> None:
        """Look, let files settle, look again."""
        await self._watch.sync(self.now_s)
        self.now_s += SETTLE_S
        await self._watch.sync(self.now_s)

    async def look(self) -> int:
        return await self._watch.sync(self.now_s)


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


async def test_a_file_is_published_once_it_has_stopped_changing(watched: Watched) -> None:
    watched.write("notes/a.txt", b"half")
    assert await watched.look() == 1
    watched.write("notes/a.txt", b"half and the rest")
    watched.now_s += SETTLE_S
    assert await watched.look() == 1
    assert watched.shelf.told == []
    watched.now_s += SETTLE_S
    assert await watched.look() == 0
    assert watched.shelf.documents == {"notes/a.txt": b"half and the rest"}
    assert watched.shelf.types == {"notes/a.txt": "text/plain"}


async def test_a_restart_publishes_nothing_twice(watched: Watched) -> None:
    watched.write("a.txt", b"text")
    await watched.settle()
    watched.restart()
    await watched.settle()
    assert watched.shelf.told == [("added", "a.txt")]


async def test_a_file_that_was_only_touched_is_not_published_again(watched: Watched) -> None:
    path = watched.write("a.txt", b"text")
    await watched.settle()
    os.utime(path, ns=(1, 1))
    await watched.settle()
    assert watched.shelf.told == [("added", "a.txt")]


async def test_new_content_is_published_again(watched: Watched) -> None:
    watched.write("a.txt", b"old")
    await watched.settle()
    watched.write("a.txt", b"newer")
    await watched.settle()
    assert watched.shelf.documents == {"a.txt": b"newer"}


async def test_a_removed_file_is_deleted_even_if_nobody_watched_at_the_time(watched: Watched) -> None:
    path = watched.write("a.txt", b"text")
    await watched.settle()
    path.unlink()
    watched.restart()
    await watched.settle()
    assert watched.shelf.told == [("added", "a.txt"), ("deleted", "a.txt")]


async def test_a_folder_that_is_away_deletes_nothing(watched: Watched) -> None:
    watched.write("a.txt", b"text")
    await watched.settle()
    watched.folder.rename(watched.folder.with_name("elsewhere"))
    await watched.settle()
    assert watched.shelf.told == [("added", "a.txt")]


async def test_while_kafka_is_away_files_wait_and_those_published_are_remembered(watched: Watched) -> None:
    watched.write("a.txt", b"text")
    await watched.settle()
    watched.write("b.txt", b"text")
    watched.shelf.down = True
    with pytest.raises(DependencyDown):
        await watched.settle()
    watched.shelf.down = False
    watched.restart()
    await watched.settle()
    assert watched.shelf.told == [("added", "a.txt"), ("added", "b.txt")]


async def test_a_file_of_an_unknown_kind_is_published_so_that_its_status_can_say_why_it_failed(
    watched: Watched,
) -> None:
    watched.write("song.mp3", b"\xff\xfb\x90\x00" * 10)
    await watched.settle()
    assert watched.shelf.types == {"song.mp3": "application/octet-stream"}


async def test_a_refused_name_is_not_offered_again_and_again(watched: Watched) -> None:
    path = watched.write("forbidden.txt", b"text")
    await watched.settle()
    await watched.settle()
    path.unlink()
    await watched.settle()
    assert watched.shelf.told == []


async def test_a_file_that_vanishes_while_it_is_published_does_not_keep_the_others_back(watched: Watched) -> None:
    watched.write("a-fleeting.txt", b"text")
    watched.write("b.txt", b"text")
    await watched.settle()
    assert watched.shelf.documents == {"b.txt": b"text"}


async def test_a_name_that_is_not_utf_8_does_not_keep_the_others_back(watched: Watched) -> None:
    watched.write(os.fsdecode(b"caf\xe9.txt"), b"text")
    watched.write("b.txt", b"text")
    await watched.settle()
    assert watched.shelf.documents == {"b.txt": b"text"}


async def test_files_below_a_folder_that_cannot_be_read_are_not_taken_for_removed(watched: Watched) -> None:
    watched.write("deep/a.txt", b"text")
    await watched.settle()
    # Even root cannot list a path that is too long, whereas it can list a folder without permissions.
    inner = watched.folder / "deep"
    away = watched.folder.with_name("away")
    inner.rename(away)
    nest_too_deep(watched.folder)
    watched.write("b.txt", b"text")
    await watched.settle()
    assert watched.shelf.told == [("added", "deep/a.txt"), ("added", "b.txt")]


def nest_too_deep(folder: Path) -> None:
    """Folders in folders until their path is longer than a path may be."""
    descriptor = os.open(folder, os.O_RDONLY)
    for _ in range(20):
        os.mkdir("x" * 250, dir_fd=descriptor)
        inner = os.open("x" * 250, os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = inner
    os.close(descriptor)


def test_hidden_and_unfinished_files_and_links_are_no_documents(watched: Watched) -> None:
    watched.write("kept.txt", b"x")
    for name in (".hidden", "a.part", "b.crdownload", "c.txt~", ".git/config"):
        watched.write(name, b"x")
    (watched.folder / "link.txt").symlink_to("/etc/hostname")
    assert set(scan(watched.folder).files) == {"kept.txt"}


def test_a_damaged_state_file_stops_the_process_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "state").write_bytes(b"{")
    with pytest.raises(ConfigurationError, match="state file"):
        load_state(tmp_path / "state")


def test_a_file_that_keeps_changing_never_settles() -> None:
    settling = Settling(1.0)
    for second in range(5):
        assert settling.settled({"a": Stamp(second, 0)}, float(second)) == []
    assert settling.settled({"a": Stamp(4, 0)}, 5.0) == ["a"]


async def test_a_notice_wakes_the_watcher_when_a_file_appears(watched: Watched) -> None:
    notices = FolderNotices(watched.folder)
    try:
        async with asyncio.timeout(20):
            number = 0
            while not await notices.wait(0.2):
                number += 1
                watched.write(f"{number}.txt", b"x")
    finally:
        await notices.close()
