"""Dead letters and erasure through the whole stack, by the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import closing
from typing import Any

import pytest

from contracts.search import Filter
from tests.integration.test_documents import add, found
from tests.running_stack import RunningStack, until

pytestmark = pytest.mark.integration

MARKER = "the vexillologist of Quagmirth"
COMMAND_TIMEOUT_S = 120


def trireme(stack: RunningStack, *arguments: str) -> Any:
    """A command's JSON."""
    command = [sys.executable, "-m", "cli.main", *arguments, "--home", str(stack.home.root), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=COMMAND_TIMEOUT_S, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    return json.loads(done.stdout)


def test_an_erased_document_is_in_no_file_but_those_of_the_log(stack: RunningStack) -> None:
    text = f"Nobody knew {MARKER} by sight. " * 3
    doc_id = add(stack, "erased", "flags.txt", text.encode())
    assert found(stack, "erased", MARKER) == [doc_id]
    told = trireme(stack, "documents", "erase", doc_id, "--now")
    left = {place["name"]: place["kept"] for place in told["places"] if not place["name"].startswith("log ")}
    assert set(left.values()) == {"gone"}
    assert any(place["name"].startswith("log index_updates.") and place["by_ms"] for place in told["places"])
    assert stack.client.search(MARKER, filter=Filter(collections=("erased",))).hits == []
    files = [path for path in stack.home.root.rglob("*") if path.is_file() and "kafka" not in path.parts]
    assert len(files) > 20
    words = (MARKER.encode(), b"vexillologist", b"quagmirth")
    assert [str(path) for path in files if any(word in path.read_bytes() for word in words)] == []


def test_a_failed_document_is_found_requeued_and_discarded(stack: RunningStack) -> None:
    sent = stack.client.upload(b"%PDF-1.7\nthis was never a page", "broken.pdf", collection="dead-letters")
    view = stack.client.wait(sent.doc_id, version=sent.version)
    assert view.state == "failed"
    letters = trireme(stack, "dlq", "list", "--document", sent.doc_id)["letters"]
    assert {letter["stage"] for letter in letters} == {"text", "image"}
    ends = trireme(stack, "dlq", "requeue", *(letter["id"] for letter in letters))
    assert [end["state"] for end in ends] == ["requeued", "requeued"]
    # Nobody has mended the file, so it fails again, in the same version, and the new letters are open.
    until(lambda: len(trireme(stack, "dlq", "list", "--document", sent.doc_id)["letters"]) == 2, "failed again")
    again = trireme(stack, "documents", "show", sent.doc_id)
    assert {letter["version"] for letter in again["dead_letters"]} == {sent.version}
    trireme(stack, "dlq", "discard", "--document", sent.doc_id, "--note", "never was a PDF")
    until(lambda: "never was a PDF" in (stack.client.document(sent.doc_id).reason or ""), "the status says so")
    assert trireme(stack, "dlq", "list", "--document", sent.doc_id)["letters"] == []


def test_changes_are_watched_and_gone_on_with_after_a_break(stack: RunningStack) -> None:
    with closing(stack.client.watch(collection="watched")) as changes:
        first = next(changes)
        assert first.kind == "reload"
        doc_id = stack.client.upload(b"The first word.", "news.txt", collection="watched").doc_id
        seen = next(change for change in changes if change.view is not None and change.view.state == "indexed")
        assert seen.view is not None
        assert seen.view.doc_id == doc_id
    sent = stack.client.upload(b"The second word.", "news.txt", collection="watched")
    stack.client.wait(doc_id, version=sent.version)
    with closing(stack.client.watch(doc_ids=[doc_id], since=first.mark)) as changes:
        missed = next(changes)
    assert missed.view is not None
    assert (missed.view.version, missed.view.state) == (sent.version, "indexed")
    page = stack.client.documents(collection="watched")
    assert [view.doc_id for view in page.documents] == [doc_id]
    assert page.counts == {"indexed": 1}
