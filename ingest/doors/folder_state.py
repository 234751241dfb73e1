"""What a watched folder holds and what of it was published already; writes only its own state file."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from contracts.errors import ConfigurationError
from runtime.telemetry import get_logger

_log = get_logger(__name__)

_UNFINISHED = (".tmp", ".part", ".partial", ".crdownload", ".download", ".swp", "~")


class Stamp(msgspec.Struct, frozen=True, array_like=True):
    """Size and time of a file as the file system tells them."""

    size_bytes: int
    modified_ns: int


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """A file that was published; `version` is None for one that the door refused."""

    stamp: Stamp
    sha256: str
    version: int | None


class FolderState(msgspec.Struct, kw_only=True):
    """Files that were published, by their name in the folder."""

    files: dict[str, Published] = msgspec.field(default_factory=dict)


def load_state(path: Path) -> FolderState:
    """The state as it was saved last; an empty one where there is none.

    Raises:
        ConfigurationError: the file is there but is no such state.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=FolderState)
    except FileNotFoundError:
        return FolderState()
    except msgspec.DecodeError as exc:
        raise ConfigurationError(
            "The watched folder's state file cannot be read; remove it to publish everything anew."
        ) from exc


def save_state(path: Path, state: FolderState) -> None:
    """Replace the state file, so that a crash leaves the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".new")
    with temporary.open("wb") as file:
        file.write(msgspec.json.encode(state))
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


class Seen(NamedTuple):
    """What was found in a folder. Of what is below a folder that could not be read (`complete` is False) nothing
    is known: it may still be there.
    """

    files: dict[str, Stamp]
    complete: bool


def scan(folder: Path) -> Seen:
    """All files of a folder and below by name; hidden and unfinished ones and links are left out.

    So are names that are not UTF-8, which no document can have; these are logged.

    Raises:
        FileNotFoundError: the folder itself is not there (which is not the same as empty).
    """
    if not folder.is_dir():
        raise FileNotFoundError(folder)
    unread: list[str] = []
    files = dict(_walk(folder, folder, unread))
    return Seen(files, complete=not unread)


def _walk(folder: Path, root: Path, unread: list[str]) -> Iterator[tuple[str, Stamp]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") or entry.name.endswith(_UNFINISHED):
                continue
            try:
                if entry.is_dir(follow_symlinks=False):
                    yield from _walk(Path(entry.path), root, unread)
                elif entry.is_file(follow_symlinks=False):
                    stat = entry.stat(follow_symlinks=False)
                    name = Path(entry.path).relative_to(root).as_posix()
                    name.encode()
                    yield name, Stamp(stat.st_size, stat.st_mtime_ns)
            except FileNotFoundError:
                continue
            except UnicodeEncodeError:
                _log.warning("file_name_is_not_utf8", name=ascii(entry.name))
            except OSError as exc:
                unread.append(entry.name)
                _log.warning("entry_unreadable", name=entry.name, error=type(exc).__name__)


class Settling:
    """Tells which files have stopped changing. Pure: the time is an argument."""

    def __init__(self, settle_s: float) -> None:
        self._settle_s = settle_s
        self._since: dict[str, tuple[Stamp, float]] = {}

    def settled(self, changed: Mapping[str, Stamp], now_s: float) -> list[str]:
        """Those of the changed files that have kept size and time for `settle_s`, in order of name."""
        since = {
            name: self._since[name] if self._since.get(name, (None,))[0] == stamp else (stamp, now_s)
            for name, stamp in changed.items()
        }
        self._since = since
        return sorted(name for name, (_, first) in since.items() if now_s - first >= self._settle_s)
