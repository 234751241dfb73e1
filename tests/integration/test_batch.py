"""`trireme batch spark` against a running stack: killed in the middle, resumed, nothing lost and nothing twice."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from contracts.ids import DEFAULT_TENANT, document_id
from contracts.search import Filter
from ingest.batch.checkpoint import read_batch_checkpoint
from ingest.batch.claiming import job_id
from runtime.object_store import ObjectStore
from tests.running_stack import RunningStack, until

COLLECTION = "batch"
TIMEOUT_S = 3600.0
SIZES = [
    pytest.param(400, marks=pytest.mark.integration),
    pytest.param(20_000, marks=pytest.mark.soak),
]


def write_source(folder: Path, n_documents: int) -> list[str]:
    """Small documents, each with a sentence that no other has; one of them is empty of any text."""
    names = []
    for number in range(n_documents):
        name = f"{number % 10}/note-{number}.txt"
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        words = f"Note {number}: valve number {number * 7919 % 100_003} was opened by crew {number % 37}."
        path.write_text(" " if number == 5 else words)
        names.append(name)
    return names


def command(stack: RunningStack, folder: Path, per_batch: int, *more: str) -> Sequence[str]:
    return [
        sys.executable,
        "-m",
        "cli.main",
        "batch",
        "spark",
        str(folder),
        "--collection",
        f"{COLLECTION}-{per_batch}",
        "--per-batch",
        str(per_batch),
        "--home",
        str(stack.home.root),
        "--json",
        *more,
    ]


def kill_amid_second_batch(stack: RunningStack, folder: Path, per_batch: int) -> None:
    """Start the job and kill all of its processes once the second batch is claimed and under way."""
    job = job_id(f"file://{folder.resolve()}", DEFAULT_TENANT, f"{COLLECTION}-{per_batch}", per_batch)
    store = ObjectStore.from_url(stack.state().object_store_url)
    process = subprocess.Popen(
        command(stack, folder, per_batch),
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
    )
    try:

        def second_is_claimed() -> bool:
            assert process.poll() is None, "the job ended before it could be killed"
            known = asyncio.run(read_batch_checkpoint(store, job, 1))
            return known is not None and not known.finished

        until(second_is_claimed, "the second batch is claimed", TIMEOUT_S)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def resumed(stack: RunningStack, folder: Path, per_batch: int) -> Any:
    result = subprocess.run(
        command(stack, folder, per_batch),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert result.stdout, result.stderr[-3000:]
    return json.loads(result.stdout)


def newest(stack: RunningStack, collection: str) -> dict[str, Any]:
    """The documents of a collection as the gateway tells them, by id."""
    views: dict[str, Any] = {}
    cursor: str | None = None
    while True:
        page = stack.client.documents(limit=200, cursor=cursor)
        views |= {view.doc_id: view for view in page.documents if view.collection == collection}
        cursor = page.next_cursor
        if cursor is None:
            return views


@pytest.mark.parametrize("n_documents", SIZES)
def test_a_killed_batch_job_goes_on_and_indexes_every_document_once(
    stack: RunningStack, tmp_path: Path, n_documents: int
) -> None:
    folder, per_batch = tmp_path / "source", n_documents // 2
    names = write_source(folder, n_documents)
    collection = f"{COLLECTION}-{per_batch}"
    kill_amid_second_batch(stack, folder, per_batch)
    summary = resumed(stack, folder, per_batch)
    print(f"{n_documents} documents, after the kill: {summary}")  # noqa: T201 - the figures of a soak
    assert summary["batches_done_before"] == 1
    ids = {document_id(DEFAULT_TENANT, collection, name) for name in names}
    until(
        lambda: all(view.state in {"indexed", "failed"} for view in newest(stack, collection).values()),
        "every document has ended",
    )
    views = newest(stack, collection)
    assert set(views) == ids
    empty = document_id(DEFAULT_TENANT, collection, "5/note-5.txt")
    assert {doc_id for doc_id, view in views.items() if view.state == "failed"} == {empty}
    for number in (0, per_batch - 1, per_batch, n_documents - 1):
        words = f"Note {number}: valve number {number * 7919 % 100_003} was opened by crew {number % 37}."
        found = stack.client.search(words, k=1, filter=Filter(collections=(collection,)))
        assert [hit.source for hit in found.hits] == [f"{number % 10}/note-{number}.txt"]
    again = resumed(stack, folder, per_batch)
    assert (again["indexed"], again["batches_done_before"]) == (0, 2)
