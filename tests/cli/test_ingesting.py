"""Handing files in."""

from pathlib import Path

import pytest
from rich.console import Console

from cli.doors import GatewayDoor
from cli.files import NamedFile
from cli.ingesting import ingest_files
from cli.looking import Looker
from client.client import TriremeClient
from contracts.errors import DependencyDown, Overloaded, UnsupportedMedia
from tests.gateway.door import Door
from tests.gateway.listening import listening_in_a_thread

FILES = [NamedFile(Path(name), name) for name in ("a.pdf", "b.exe", "c.pdf")]


class BusyDoor:
    """Is busy for some calls, then takes everything but programs."""

    def __init__(self, busy: int) -> None:
        self.busy = busy

    def put(self, file: NamedFile) -> tuple[str, int]:
        if self.busy:
            self.busy -= 1
            raise Overloaded("Too many files are being uploaded at the moment.", retry_after_s=0.01)
        if file.name.endswith(".exe"):
            raise UnsupportedMedia("This kind of file is not read.")
        return f"id of {file.name}", 1


def ends_of(door: BusyDoor, timeout_s: float) -> dict[str, str]:
    ends = ingest_files(FILES, door, None, Console(quiet=True), timeout_s=timeout_s)
    return {end.name: end.state for end in ends}


def test_a_refused_file_does_not_keep_the_others_out() -> None:
    assert ends_of(BusyDoor(0), 1) == {"a.pdf": "sent", "b.exe": "refused", "c.pdf": "sent"}


def test_a_busy_door_is_asked_again() -> None:
    assert ends_of(BusyDoor(3), 10) == {"a.pdf": "sent", "b.exe": "refused", "c.pdf": "sent"}


def test_a_door_that_stays_busy_is_given_up() -> None:
    with pytest.raises(Overloaded):
        ends_of(BusyDoor(10**9), 0.05)


def test_a_second_run_goes_on_where_the_first_was_cut(tmp_path: Path) -> None:
    names = ("a.txt", "b.txt", "c.txt")
    for name in names:
        (tmp_path / name).write_text(f"This is {name}.")
    files = [NamedFile(tmp_path / name, name) for name in names]
    with listening_in_a_thread(Door()) as url, TriremeClient(url) as client:
        door = CutDoor(GatewayDoor(client, "default"), takes=2)
        looker = Looker("default", client, timeout_s=5)
        quiet = Console(quiet=True)
        with pytest.raises(DependencyDown):
            ingest_files(files, door, None, quiet, timeout_s=5, looker=looker)
        door.takes = 10
        ends = ingest_files(files, door, None, quiet, timeout_s=5, looker=looker)
        assert [end.state for end in ends] == ["sent"] * 3
        assert door.taken == list(names), "nothing was handed in twice"
        (tmp_path / "a.txt").write_text("This is another a.txt.")
        assert [looker.look(file).verdict for file in files] == ["send", "unchanged", "unchanged"]


class CutDoor:
    """A gateway that goes away after some files."""

    def __init__(self, door: GatewayDoor, takes: int) -> None:
        self._door = door
        self.takes = takes
        self.taken: list[str] = []

    def put(self, file: NamedFile) -> tuple[str, int]:
        if len(self.taken) == self.takes:
            raise DependencyDown("gateway")
        self.taken.append(file.name)
        return self._door.put(file)


def test_a_look_judges_as_the_doors_do(tmp_path: Path) -> None:
    program, text = tmp_path / "b.exe", tmp_path / "a.txt"
    program.write_bytes(b"MZ\x90\x00" + bytes(64))
    text.write_text("Words.")
    looker = Looker("default", None, timeout_s=1)
    assert looker.look(NamedFile(program, "b.exe")).verdict == "refused"
    assert looker.look(NamedFile(tmp_path / "none.txt", "none.txt")).verdict == "refused"
    assert looker.look(NamedFile(text, "../a.txt")).verdict == "refused"
    assert looker.look(NamedFile(text, "a.txt")).verdict == "send"
