"""Reads files of the corpus as the workers do, and watches the processes that it takes."""

import asyncio
import contextlib
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from contracts.errors import DocumentFailed
from ingest.extraction import ExtractionLimits, Extractor, sniff
from tests.ingest.corpus.case import READ, Case

SAMPLE_EVERY_S = 0.02
# Shorter than in operation, where a page may take a minute: the tests of a corpus shall not wait for it.
TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True)
class Ending:
    """What became of a file.

    Args:
        ends: READ where its text and its pictures were read, else the causes for which they were not.
        reasons: the sentences that go with the causes.
    """

    ends: frozenset[str]
    reasons: tuple[str, ...]
    text: str | None
    n_pictures: int | None
    time_s: float


class CorpusReader:
    """One extractor for many files, and the sessions of all reading processes that it has had."""

    def __init__(self) -> None:
        self.peak_bytes = 0
        self.sessions: set[int] = set()
        self._extractor = Extractor(ExtractionLimits(timeout_s=TIMEOUT_S))
        self._loop = asyncio.Runner()
        self._ended = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="memory of readers", daemon=True)
        self._watcher.start()

    def read(self, case: Case) -> Ending:
        """Read a file's text and its pictures; whatever else than a failure of the document is raised."""
        data = case.make()
        begun_s = time.monotonic()
        return self._loop.run(self._read(case.name, data, begun_s))

    def close(self) -> None:
        """End the reading process and stop watching; a second time does nothing."""
        if self._ended.is_set():
            return
        self._loop.run(self._extractor.close())
        self._loop.close()
        self._ended.set()
        self._watcher.join()

    def left_behind(self) -> list[int]:
        """Ids of processes that a reader has left."""
        return [pid for pid in psutil.pids() if _session(pid) in self.sessions and _lives(pid)]

    async def _read(self, name: str, data: bytes, begun_s: float) -> Ending:
        failures: list[DocumentFailed] = []
        text: str | None = None
        n_pictures: int | None = None
        try:
            content_type = sniff(data, name)
            text = (await self._extractor.extract_text(data, content_type)).text
        except DocumentFailed as failure:
            failures.append(failure)
        try:
            content_type = sniff(data, name)
            n_pictures = len(await self._extractor.extract_pictures(data, content_type))
        except DocumentFailed as failure:
            failures.append(failure)
        return Ending(
            ends=frozenset(failure.cause for failure in failures) or frozenset({READ}),
            reasons=tuple(failure.message for failure in failures),
            text=text,
            n_pictures=n_pictures,
            time_s=time.monotonic() - begun_s,
        )

    def _watch(self) -> None:
        while not self._ended.wait(SAMPLE_EVERY_S):
            pid = self._extractor.pid
            if pid is not None:
                self.sessions.add(pid)
                self.peak_bytes = max(self.peak_bytes, _highest_bytes(pid), _tree_bytes(pid))


def _highest_bytes(pid: int) -> int:
    """The most memory that one process has ever had, as the kernel counts."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


def _tree_bytes(pid: int) -> int:
    """Memory of a process and of all below it, now."""
    total = 0
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        for each in (process, *process.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                total += each.memory_info().rss
    return total


def _session(pid: int) -> int | None:
    with contextlib.suppress(OSError):
        return os.getsid(pid)
    return None


def _lives(pid: int) -> bool:
    with contextlib.suppress(psutil.Error):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False
