"""Handing files in."""

from pathlib import Path

import pytest
from rich.console import Console

from cli.files import NamedFile
from cli.ingesting import ingest_files
from contracts.errors import Overloaded, UnsupportedMedia

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
