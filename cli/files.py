"""Files that a person names on the command line: paths, folders, patterns, or a list on standard input."""

from __future__ import annotations

import glob
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from contracts.errors import InvalidInput, NotFound
from contracts.names import safe_name

FROM_STDIN = "-"


@dataclass(frozen=True, slots=True)
class NamedFile:
    """A file to ingest, and the name that its document gets."""

    path: Path
    name: str


def read_file(path: Path) -> bytes:
    """Bytes of a file.

    Raises:
        NotFound: it does not exist. InvalidInput: it cannot be read.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise NotFound(f"There is no file '{path}'.") from None
    except OSError as exc:
        raise InvalidInput(f"The file '{path}' cannot be read ({exc.strerror}).") from exc


def listed_paths(text: str) -> list[Path]:
    """Paths in a list, one a line, or separated by zero bytes as `find -print0` writes them."""
    lines = text.split("\0") if "\0" in text else text.splitlines()
    return [Path(line) for line in lines if line.strip()]


def named_files(paths: Sequence[Path]) -> list[NamedFile]:
    """All files at `paths`, each once; folders are walked in order of name, hidden files in them left out.

    A path that does not exist is tried as a pattern ("scans/**/*.pdf"); "-" stands for a list on standard input. A
    document is named as the person typed it: the path from the folder's own name on ("samples/a.pdf").

    Raises:
        NotFound: a path does not exist. InvalidInput: nothing was found, or two files would have the same name.
    """
    named = [
        path for each in paths for path in (listed_paths(sys.stdin.read()) if str(each) == FROM_STDIN else [each])
    ]
    found: dict[str, NamedFile] = {}
    for file in (file for path in named for file in _found_at(path)):
        other = found.setdefault(file.name, file)
        if other.path != file.path:
            raise InvalidInput(f"Two files would be the document '{file.name}': {other.path} and {file.path}.")
    if not found:
        raise InvalidInput("There are no files to ingest there.")
    return list(found.values())


def _found_at(path: Path) -> Iterator[NamedFile]:
    if path.exists() or not glob.has_magic(str(path)):
        yield from _walk(path)
        return
    matches = sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207 - Path.glob takes no absolute patterns
    if not matches:
        raise NotFound(f"Nothing matches '{path}'.")
    for match in map(Path, matches):
        # What a pattern names and what is below it would be found twice otherwise, under two names.
        if match.is_file():
            yield from _walk(match)


def _walk(path: Path) -> Iterator[NamedFile]:
    if not path.exists():
        raise NotFound(f"There is no file or folder '{path}'.")
    base = path.resolve()
    if base.is_file():
        yield NamedFile(base, _as_typed(path, base))
        return
    for file in sorted(base.rglob("*")):
        inside = file.relative_to(base)
        if file.is_file() and not any(part.startswith(".") for part in inside.parts):
            yield NamedFile(file, safe_name(f"{base.name}/{inside.as_posix()}"))


def _as_typed(path: Path, base: Path) -> str:
    """The relative path where it is a plain one, else the file's name."""
    plain = not path.is_absolute() and ".." not in path.parts
    return safe_name(path.as_posix() if plain else base.name)
