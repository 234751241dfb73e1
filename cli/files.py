"""Files that a person names on the command line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from contracts.errors import InvalidInput, NotFound


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


def named_files(paths: Sequence[Path]) -> list[NamedFile]:
    """All files at `paths`, folders walked in order of name; hidden ones are left out.

    A document is named as the person typed it: the path from the folder's own name on ("samples/a.pdf").

    Raises:
        NotFound: a path does not exist. InvalidInput: nothing was found.
    """
    found = [each for path in paths for each in _walk(path)]
    if not found:
        raise InvalidInput("There are no files to ingest there.")
    return found


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
            yield NamedFile(file, f"{base.name}/{inside.as_posix()}")


def _as_typed(path: Path, base: Path) -> str:
    """The relative path where it is a plain one, else the file's name."""
    plain = not path.is_absolute() and ".." not in path.parts
    return path.as_posix() if plain else base.name
