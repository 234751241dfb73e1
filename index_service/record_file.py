"""Byte records in compressed blocks, written once and read by number from a memory-mapped file.

Small blocks: a hit's payload is read by decompressing some 8 KB. Zstandard, because it decompresses at more than
1 GB/s and its frames carry their own size. Where the blocks lie stands in arrays, which a segment keeps in its
one file of arrays.
"""

import mmap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import zstandard
from numpy.typing import NDArray

from index_service.durable import FileSum, SummedFile

_BLOCK_BYTES = 8192
_LEVEL = 3


def write_records(path: Path, records: Iterable[bytes]) -> tuple[FileSum, dict[str, NDArray[Any]]]:
    """Write a new file; returns its sum and the arrays by which `RecordFile` finds the records again.

    Raises:
        OSError: the disk does not take it.
    """
    compressor = zstandard.ZstdCompressor(level=_LEVEL)
    offsets, firsts = [0], [0]
    block: list[bytes] = []
    size_bytes = 0
    with SummedFile(path) as file:

        def flush() -> None:
            data = compressor.compress(msgspec.msgpack.encode(block))
            file.write(data)
            offsets.append(offsets[-1] + len(data))
            firsts.append(firsts[-1] + len(block))
            block.clear()

        for record in records:
            block.append(record)
            size_bytes += len(record)
            if size_bytes >= _BLOCK_BYTES:
                flush()
                size_bytes = 0
        if block:
            flush()
    arrays = {"offsets": np.array(offsets, dtype=np.int64), "firsts": np.array(firsts, dtype=np.int64)}
    return file.sum(), arrays


class RecordFile:
    """The records of a finished file. Any thread may read.

    Args:
        offsets, firsts: as `write_records` gave them: where each block begins, and with which record.
    """

    def __init__(self, path: Path, offsets: NDArray[np.int64], firsts: NDArray[np.int64]) -> None:
        self._offsets = offsets
        self._firsts = firsts
        self._decoder = msgspec.msgpack.Decoder(list[bytes])
        with path.open("rb") as file:
            self._data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if offsets[-1] else b""

    def __len__(self) -> int:
        return int(self._firsts[-1])

    @property
    def size_bytes(self) -> int:
        """Compressed size."""
        return int(self._offsets[-1])

    def get(self, number: int) -> bytes:
        """One record."""
        block = int(np.searchsorted(self._firsts, number, side="right")) - 1
        return self._block(block)[number - int(self._firsts[block])]

    def __iter__(self) -> Iterator[bytes]:
        for block in range(len(self._firsts) - 1):
            yield from self._block(block)

    def _block(self, number: int) -> list[bytes]:
        data = self._data[int(self._offsets[number]) : int(self._offsets[number + 1])]
        # A decompressor of one's own for each call: they are not safe to share between threads.
        return self._decoder.decode(zstandard.ZstdDecompressor().decompress(data))
