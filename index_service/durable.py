"""Files that survive a crash: written once, synced, and known by size and SHA-256."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import msgspec

from contracts.errors import BadMessage

_CHUNK_BYTES = 1 << 20
_LENGTH_BYTES = 4


class FileSum(msgspec.Struct, frozen=True):
    """Size and hex SHA-256 of a file."""

    size_bytes: int
    sha256: str


class SummedFile:
    """A new file that is summed while it is written, and synced to the disk when it is closed."""

    def __init__(self, path: Path) -> None:
        self._file: BinaryIO = path.open("xb")
        self._hash = hashlib.sha256()
        self._size_bytes = 0

    def __enter__(self) -> "SummedFile":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._file.flush()
                os.fsync(self._file.fileno())
        finally:
            self._file.close()

    def write(self, data: bytes) -> None:
        """Append bytes."""
        self._file.write(data)
        self._hash.update(data)
        self._size_bytes += len(data)

    def write_frame(self, data: bytes) -> None:
        """Append bytes with their length before them."""
        self.write(len(data).to_bytes(_LENGTH_BYTES, "little") + data)

    def sum(self) -> FileSum:
        """Size and SHA-256 of what was written."""
        return FileSum(self._size_bytes, self._hash.hexdigest())


def sum_of(path: Path) -> FileSum:
    """Size and SHA-256 of a file on disk."""
    digest, size_bytes = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
            size_bytes += len(chunk)
    return FileSum(size_bytes, digest.hexdigest())


def read_frames(path: Path) -> Iterator[bytes]:
    """The frames that `SummedFile.write_frame` wrote.

    Raises:
        BadMessage: the file ends within a frame.
    """
    with path.open("rb") as file:
        while head := file.read(_LENGTH_BYTES):
            length = int.from_bytes(head, "little")
            frame = file.read(length)
            if len(head) < _LENGTH_BYTES or len(frame) < length:
                raise BadMessage(f"The file {path.name} ends within a record.")
            yield frame


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
