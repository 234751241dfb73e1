"""The corpus of sound, damaged and hostile files through a running stack: each is refused at the door, indexed, or
failed with its cause; no process dies, none grows beyond its memory. `make soak` runs it.
"""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator

import psutil
import pytest

from client.client import TriremeClient
from contracts.api import DocumentView
from contracts.errors import InvalidInput, TriremeError, UnsupportedMedia
from tests.ingest.corpus.case import READ, Case
from tests.ingest.corpus.every_case import every_case
from tests.running_stack import RunningStack, until

pytestmark = pytest.mark.soak

COLLECTION = "hostile"
WORKERS = ("text-embedder", "vision-embedder", "joint-updater")
MEMORY_LIMIT_BYTES = 1024**3
SAMPLE_EVERY_S = 0.05
ALL_SETTLED_TIMEOUT_S = 3600.0
SETTLED = {"indexed", "failed"}
# What the door sees of a file before it takes it.
SEEN_AT_THE_DOOR = {"empty", "unsupported", "wrong_extension", "encrypted"}


class MemoryWatch:
    """The most memory that any process of a worker had: its own, its reader's, Tesseract's."""

    def __init__(self, stack: RunningStack) -> None:
        self.peak_bytes: dict[str, int] = {}
        self._pids = {name: stack.process(name).pid for name in WORKERS}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="memory of workers", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(SAMPLE_EVERY_S):
            for name, pid in self._pids.items():
                with contextlib.suppress(psutil.Error):
                    worker = psutil.Process(pid)
                    self._note(name, worker)
                    for child in worker.children(recursive=True):
                        self._note(f"reader of {name}", child)

    def _note(self, name: str, process: psutil.Process) -> None:
        with contextlib.suppress(psutil.Error):
            self.peak_bytes[name] = max(self.peak_bytes.get(name, 0), process.memory_info().rss)


@pytest.fixture
def memory(stack: RunningStack) -> Iterator[MemoryWatch]:
    watch = MemoryWatch(stack)
    yield watch
    watch.stop()


def test_every_file_is_refused_indexed_or_failed_with_a_true_cause(
    stack: RunningStack, memory: MemoryWatch
) -> None:
    before = stack.pids()
    cases = {case.name: case for case in every_case()}
    refused = {name: refusal for name, case in cases.items() if (refusal := upload(stack.client, case))}
    taken = cases.keys() - refused.keys()
    until(
        lambda: {name for name, view in views(stack.client).items() if view.state in SETTLED} == taken,
        "every file has come to its end",
        ALL_SETTLED_TIMEOUT_S,
    )
    memory.stop()

    ended = views(stack.client)
    print(f"\n{len(cases)} files, {len(refused)} refused at the door, then")  # noqa: T201
    print(dict(Counter(end for view in ended.values() for end in ends_of(view)).most_common()))  # noqa: T201
    print({name: f"{peak / 2**20:.0f} MiB" for name, peak in memory.peak_bytes.items()})  # noqa: T201
    assert [name for name in refused if not cases[name].ends & SEEN_AT_THE_DOOR] == []
    assert [(name, ends_of(v)) for name, v in ended.items() if not ends_of(v) <= allowed(cases[name])] == []
    assert [name for name, view in ended.items() if view.state == "failed" and not view.reason] == []
    assert stack.pids() == before
    assert {view.state for view in stack.state().processes} == {"ready"}
    assert max(memory.peak_bytes.values()) < MEMORY_LIMIT_BYTES
    assert {f"reader of {name}" for name in WORKERS[:2]} <= memory.peak_bytes.keys()


def upload(client: TriremeClient, case: Case) -> TriremeError | None:
    """Hand a file in; the refusal, where the door does not take it."""
    try:
        client.upload(case.make(), case.name, collection=COLLECTION)
    except (InvalidInput, UnsupportedMedia) as refusal:
        return refusal
    return None


def views(client: TriremeClient) -> dict[str, DocumentView]:
    """Every document of the corpus by its name."""
    found: dict[str, DocumentView] = {}
    cursor: str | None = None
    while True:
        page = client.documents(collection=COLLECTION, cursor=cursor, limit=200)
        found.update({view.source: view for view in page.documents if view.source})
        if (cursor := page.next_cursor) is None:
            return found


def allowed(case: Case) -> frozenset[str]:
    """How a document may end; one that is read, but holds neither text nor pictures, fails for that."""
    may_be_empty = READ in case.ends and not case.holds and not case.pictures
    return case.ends | {"no_content"} if may_be_empty else case.ends


def ends_of(view: DocumentView) -> set[str]:
    """As a case states them: READ, or the causes for which stages failed."""
    return {READ} if view.state == "indexed" else {stage.cause for stage in view.stages if stage.cause} or {"?"}
