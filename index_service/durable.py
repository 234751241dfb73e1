"""Files that survive a crash: written once, synced, and known by size and SHA-256."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, TypeVar

import msgspec

from contracts.errors import BadMessage

_CHUNK_BYTES = 1 << 20
_LENGTH_BYTES = 4
_M = TypeVar("_M", bound=msgspec.Struct)


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

    def write_frames(self, frames: Iterable[bytes]) -> None:
        """Append pieces of bytes, each with its length before it."""
        self.write(
            b"".join(part for data in frames for part in (len(data).to_bytes(_LENGTH_BYTES, "little"), data))
        )

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
    """The frames that `SummedFile.write_frames` wrote.

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


def sync_file(path: Path) -> None:
    """Make the contents of a file that another library wrote durable."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


class _Sealed(msgspec.Struct, frozen=True):
    """A description as it lies on disk, with the SHA-256 of its own bytes."""

    sha256: str
    manifest: msgspec.Raw


def write_sealed(path: Path, manifest: msgspec.Struct) -> str:
    """Write a description of other files into a new file; returns the SHA-256 by which it is known."""
    data = msgspec.json.encode(manifest)
    sha256 = hashlib.sha256(data).hexdigest()
    with SummedFile(path) as file:
        file.write(msgspec.json.encode(_Sealed(sha256, msgspec.Raw(data))))
    return sha256


def read_sealed(path: Path, kind: type[_M]) -> tuple[_M, str]:
    """What `write_sealed` wrote, and its SHA-256.

    Raises:
        OSError: it cannot be read.
        msgspec.DecodeError: it is no such description.
        BadMessage: it is not as it was written.
    """
    sealed = msgspec.json.decode(path.read_bytes(), type=_Sealed)
    data = bytes(sealed.manifest)
    if hashlib.sha256(data).hexdigest() != sealed.sha256:
        raise BadMessage(f"The file {path.name} is damaged.")
    return msgspec.json.decode(data, type=kind), sealed.sha256


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
