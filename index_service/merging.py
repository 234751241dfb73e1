"""Where segments are merged: in this process, or in one of its own, so that searches keep theirs to themselves.

Merging reads and writes every document of the segments in Python. In a thread beside the searches it would hold
Python's lock for seconds: a child reads the same files, writes the new segment, and its parent opens it.
"""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import msgspec
import numpy as np

from index_service.bitmap import packed_bitmap
from index_service.building import Source, Train, merge_segments
from index_service.kinds.gpu import on_gpu
from index_service.kinds.parameters import IndexParameters
from index_service.sealed import open_segment
from index_service.spec import ShardSpec

# Starting a process takes about as long as merging so many rows does.
_LEAST_ROWS = 8192
# A child that takes this long hangs: 100 times what a merge was seen to take on one core.
_LEAST_TIMEOUT_S = 300.0
_TIMEOUT_S_PER_ROW = 0.05
_SAID_CHARS = 2000
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_LIBC = ctypes.CDLL(None, use_errno=True)


class Merge(Protocol):
    """Writes one segment of some; as `building.merge_segments`."""

    def __call__(
        self, home: Path, name: str, sources: Sequence[Source], spec: ShardSpec, parameters: IndexParameters
    ) -> Path: ...


class SourceFiles(msgspec.Struct, frozen=True, kw_only=True):
    """A segment to be merged as it is told to a child: where it lies, and its live bits as packed bytes."""

    directory: str
    live: bytes
    index_damaged: bool


class MergeJob(msgspec.Struct, frozen=True, kw_only=True):
    """What a child is to do. `object_store_url` is where trained indexes lie."""

    home: str
    name: str
    spec: ShardSpec
    parameters: IndexParameters
    sources: list[SourceFiles]
    object_store_url: str
    faiss_threads: int


class MergeHere:
    """Merges in the calling thread."""

    def __init__(self, train: Train) -> None:
        self._train = train

    def __call__(
        self, home: Path, name: str, sources: Sequence[Source], spec: ShardSpec, parameters: IndexParameters
    ) -> Path:
        """As `building.merge_segments`."""
        return merge_segments(home, name, sources, spec, parameters, self._train)


class MergeInChild:
    """Merges in a child process, which dies with the calling thread; a few rows, and those of a GPU, here.

    Args:
        object_store_url: where trained indexes lie.
        faiss_threads: threads that building may use.
    """

    def __init__(self, train: Train, object_store_url: str, *, faiss_threads: int) -> None:
        self._here = MergeHere(train)
        self._object_store_url = object_store_url
        self._faiss_threads = faiss_threads

    def __call__(
        self, home: Path, name: str, sources: Sequence[Source], spec: ShardSpec, parameters: IndexParameters
    ) -> Path:
        """As `building.merge_segments`.

        Raises:
            OSError: the child ended without a segment; its last words are in the message.
        """
        n_rows = sum(source.live.n_slots for source in sources)
        if n_rows < _LEAST_ROWS or on_gpu(parameters):
            return self._here(home, name, sources, spec, parameters)
        job = MergeJob(
            home=str(home),
            name=name,
            spec=spec,
            parameters=parameters,
            sources=[
                SourceFiles(
                    directory=str(source.segment.directory),
                    live=source.live.packed.tobytes(),
                    index_damaged=source.segment.index_damaged,
                )
                for source in sources
            ],
            object_store_url=self._object_store_url,
            faiss_threads=self._faiss_threads,
        )
        _run(msgspec.msgpack.encode(job), _LEAST_TIMEOUT_S + _TIMEOUT_S_PER_ROW * n_rows)
        return home / name


def opened(source: SourceFiles, job: MergeJob) -> Source:
    """A segment to be merged, read in the child."""
    segment = open_segment(
        Path(source.directory), job.spec, job.parameters, check=False, index_damaged=source.index_damaged
    )
    live = packed_bitmap(np.frombuffer(source.live, dtype=np.uint8).copy(), segment.n_slots)
    return Source(segment, live)


def _run(job: bytes, timeout_s: float) -> None:
    parent = os.getpid()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "index_service.merging_child"],
            input=job,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=timeout_s,
            check=False,
            preexec_fn=lambda: _die_with(parent),
        )
    except subprocess.TimeoutExpired as exc:
        raise OSError(f"The process that merges segments did not end in {timeout_s:.0f} s.") from exc
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()[-_SAID_CHARS:]
        raise OSError(f"The process that merges segments ended with {done.returncode}: {said}")


def _die_with(parent: int) -> None:
    """Runs in the child between fork and exec; nothing here may take a lock."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
