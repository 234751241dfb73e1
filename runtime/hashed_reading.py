"""A file's bytes on their way to the store, hashed as they pass: what is stored is what was hashed."""

import hashlib
import threading
from collections.abc import Iterator
from typing import BinaryIO

# Also the size of a part of a large object; S3 takes 10,000 of at least 5 MiB.
PART_BYTES = 8 * 1024**2


class HashedReading:
    """Reads a file once, part by part, from where it stands. One thread reads; any thread may stop it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self._stopped = threading.Event()
        self._first = b""
        self._second = b""
        self.size_bytes = 0

    @property
    def sha256(self) -> str:
        """Of everything read so far."""
        return self._hash.hexdigest()

    @property
    def has_more(self) -> bool:
        """Whether there is more than the first part."""
        return bool(self._second)

    def first(self) -> bytes:
        """The first part; call it once, before the iteration."""
        self._first, self._second = self._read(), self._read()
        return self._first

    def stop(self) -> None:
        """Let the iteration fail at its next step."""
        self._stopped.set()

    def __iter__(self) -> Iterator[bytes]:
        """All parts.

        Raises:
            OSError: the file cannot be read any more, or the reading was stopped.
        """
        yield self._first
        part = self._second
        while part:
            if self._stopped.is_set():
                raise OSError("the reading was stopped")
            yield part
            part = self._read()

    def _read(self) -> bytes:
        part = self._file.read(PART_BYTES)
        self._hash.update(part)
        self.size_bytes += len(part)
        return part
