"""A disaster: the whole home is lost, and a backup becomes the same documents, answers and versions again."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from client.client import TriremeClient
from contracts.api import SearchResponse
from stack.home import CHECKOUT
from tests.running_stack import RunningStack, until

pytestmark = pytest.mark.integration

SAMPLES = CHECKOUT / "samples"
NAMES = ("compost.md", "chess-club.pdf", "castle.jpg", "cactus.png")
QUESTIONS = ("How do I know that compost is ripe?", "when does the chess club meet", "a cactus", "an old castle")


@pytest.fixture
def stack() -> Iterator[RunningStack]:
    """A stack of this test's own: its home is going to be lost."""
    started = RunningStack("backup")
    try:
        started.start()
        yield started
    finally:
        if (started.home.run / "stack.json").exists():
            started.stop(signal.SIGTERM)
        started.remove()


def run(*arguments: str, status: int = 0) -> Any:
    result = subprocess.run(
        [sys.executable, "-m", "cli.main", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert result.returncode == status, result.stderr
    return json.loads(result.stdout) if "--json" in arguments else result.stdout + result.stderr


def upload(client: TriremeClient, name: str, data: bytes) -> str:
    sent = client.upload(data, name)
    assert client.wait(sent.doc_id, version=sent.version, timeout_s=60).state == "indexed"
    return sent.doc_id


def found(client: TriremeClient, but: str) -> list[list[tuple[str, str, float]]]:
    """What every question finds in documents but one, once all shards answer it in time."""
    answers: list[SearchResponse] = []

    def all_in_full() -> bool:
        answers[:] = [client.search(question, k=8) for question in QUESTIONS]
        return all(not each.degraded and each.coverage.answered == each.coverage.of for each in answers)

    until(all_in_full, "searches are answered in full")
    hits = [[hit for hit in answer.hits if hit.doc_id != but] for answer in answers]
    return [[(hit.doc_id, hit.item_id, round(hit.score, 4)) for hit in each[:5]] for each in hits]


def documents(client: TriremeClient) -> dict[str, tuple[str, int]]:
    return {view.source or "": (view.state, view.version) for view in client.documents(limit=100).documents}


def test_a_lost_home_comes_back_from_a_backup(stack: RunningStack, tmp_path: Path) -> None:
    home, target = str(stack.home.root), str(tmp_path / "backups")
    for name in NAMES:
        upload(stack.client, name, (SAMPLES / name).read_bytes())
    gone = upload(stack.client, "gone.txt", b"A zeppelin is filled with hydrogen.")
    stack.client.delete(gone)
    assert stack.client.wait(gone, timeout_s=60).state == "deleted"
    replaced = upload(stack.client, "note.txt", b"The harbour master is Anna.")
    first = run("backup", "take", target, "--home", home, "--json")
    upload(stack.client, "note.txt", b"The harbour master is Berta.")

    # One document is being worked on while the second backup is taken.
    embedder = stack.process("text-embedder").pid
    assert embedder is not None
    os.kill(embedder, signal.SIGSTOP)
    waiting = stack.client.upload(b"The lighthouse keeper is Clara.", "late.txt")
    second = run("backup", "take", target, "--home", home, "--json")
    before, known = found(stack.client, but=waiting.doc_id), documents(stack.client)
    os.kill(embedder, signal.SIGCONT)
    assert second["unsettled"] == [waiting.doc_id]
    assert 0 < second["copied_bytes"] < first["copied_bytes"]
    assert run("backup", "verify", target, "--json")["damaged"] == []
    refused = run("restore", target, "--home", home, status=1)
    assert "running" in refused

    stack.stop(signal.SIGTERM)
    shutil.rmtree(stack.home.root)
    restored = run("restore", target, "--home", home, "--json")
    assert restored == {"backup": second["id"], "objects": second["objects"], "unsettled": 1}
    assert "not empty" in run("restore", target, "--home", home, status=1)
    stack.start()

    late = stack.client.wait(waiting.doc_id, timeout_s=60)
    assert late.state == "indexed"
    assert late.version > known["late.txt"][1], "the new log's versions are above those of the old one"
    after = documents(stack.client)
    assert {name: view for name, view in after.items() if name != "late.txt"} == {
        name: view for name, view in known.items() if name != "late.txt"
    }
    assert found(stack.client, but=late.doc_id) == before
    verified = run("index", "verify", "--home", home, "--json")
    assert verified["agrees"] is True

    # Life goes on: a document of the backup is replaced and deleted as any other.
    upload(stack.client, "note.txt", b"The harbour master is Dora.")
    [hit, *_] = stack.client.search("Who is the harbour master?", k=1).hits
    assert "Dora" in hit.text
    stack.client.delete(replaced)
    assert stack.client.wait(replaced, timeout_s=60).state == "deleted"
