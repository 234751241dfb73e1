"""Byte records in one file, written once and read by number from a memory-mapped file.

Not compressed: a search reads some hundred records, and decompressing a block for each cost more than the search
of a graph. Where records end stands in an array, which a segment keeps in its one file of arrays.
"""

import mmap
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index_service.durable import FileSum, SummedFile


def write_records(path: Path, records: Iterable[bytes]) -> tuple[FileSum, dict[str, NDArray[Any]]]:
    """Write a new file; returns its sum and the arrays by which `RecordFile` finds the records again.

    Raises:
        OSError: the disk does not take it.
    """
    ends = [0]
    with SummedFile(path) as file:
        for record in records:
            file.write(record)
            ends.append(ends[-1] + len(record))
    return file.sum(), {"offsets": np.array(ends, dtype=np.int64)}


class RecordFile:
    """The records of a finished file. Any thread may read.

    Args:
        offsets: as `write_records` gave it: where each record begins, and where the last one ends.
    """

    def __init__(self, path: Path, offsets: NDArray[np.int64]) -> None:
        # Indexing a memoryview costs a fifth of indexing an array.
        self._offsets = offsets.data
        with path.open("rb") as file:
            self._data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if offsets[-1] else b""

    def __len__(self) -> int:
        return len(self._offsets) - 1

    @property
    def size_bytes(self) -> int:
        """Size of all records."""
        return int(self._offsets[-1])

    def get(self, number: int) -> bytes:
        """One record."""
        return self._data[self._offsets[number] : self._offsets[number + 1]]

    def __iter__(self) -> Iterator[bytes]:
        for start, end in pairwise(self._offsets):
            yield self._data[start:end]
