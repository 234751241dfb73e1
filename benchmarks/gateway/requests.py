"""What is asked of the shards by either way, and how it travels over a socket."""

import struct
import time
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from benchmarks.index.filled_shard import TENANT
from benchmarks.index.joint_vectors import CorpusSpec
from contracts.search import CPU_GROUP, SearchRequest

ROOT = Path(__file__).resolve().parent.parent.parent / ".trireme" / "bench" / "data"
SPEC = CorpusSpec()
GENERATION, SPACE = "bench", "space-bench"
# The replica's partition: an embedded stack without a replica has nobody there.
GROUP = CPU_GROUP
K = 10
_DEADLINE_S = 5.0
_LENGTH = struct.Struct(">I")


def request_of(query: NDArray[np.float32], correlation_id: str, reply_partition: int, k: int) -> SearchRequest:
    """A request for all shards."""
    return SearchRequest(
        tenant=TENANT,
        correlation_id=correlation_id,
        reply_partition=reply_partition,
        deadline_ms=int((time.time() + _DEADLINE_S) * 1000),
        space_id=SPACE,
        generation=GENERATION,
        vector=query.astype("<f4").tobytes(),
        text_dim=SPEC.text_dim,
        k=k,
    )


def frame(value: bytes) -> bytes:
    """A value behind its length."""
    return _LENGTH.pack(len(value)) + value


def length_of(head: bytes) -> int:
    """The length in the four bytes before a value."""
    return int(_LENGTH.unpack(head)[0])


def read_frame(incoming: BinaryIO) -> bytes | None:
    """The next value; None at the end."""
    head = incoming.read(_LENGTH.size)
    return incoming.read(length_of(head)) if len(head) == _LENGTH.size else None
