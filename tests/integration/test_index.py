"""`trireme index` against a running stack, and what the stack tells its shards of what answers show."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from contracts.search import Filter
from tests.running_stack import RunningStack, until

pytestmark = pytest.mark.integration

COMMAND_TIMEOUT_S = 120.0


def trireme(stack: RunningStack, *arguments: str) -> tuple[int, Any]:
    """Exit status and JSON of a command."""
    result = subprocess.run(
        [sys.executable, "-m", "cli.main", "index", *arguments, "--home", str(stack.home.root), "--json"],
        capture_output=True,
        text=True,
        timeout=COMMAND_TIMEOUT_S,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert result.stdout, result.stderr
    return result.returncode, json.loads(result.stdout)


def touched(stack: RunningStack) -> float:
    """Documents that the primaries were told of."""
    total = 0.0
    for view in stack.state().processes:
        if view.name.startswith("shard-"):
            with urllib.request.urlopen(f"http://127.0.0.1:{view.ports['http']}/metrics", timeout=5) as answer:
                lines = answer.read().decode().splitlines()
            total += sum(float(line.rsplit(" ", 1)[1]) for line in lines if "index_touches_total{" in line)
    return total


def test_an_index_is_whole_exported_rebuilt_and_told_what_answers_show(
    stack: RunningStack, tmp_path: Path
) -> None:
    words = "The lighthouse keeper counts seventeen cormorants on the northern mole."
    view = stack.client.upload(words.encode(), "cormorants.txt", collection="index-care", wait=True, wait_s=60)
    assert view.state == "indexed"
    deleted = stack.client.upload(b"A note that goes again.", "note.txt", collection="index-care", wait=True)
    stack.client.delete(deleted.doc_id)
    stack.client.wait(deleted.doc_id, states={"deleted"}, version=deleted.version + 1, timeout_s=60)

    status, report = trireme(stack, "verify")
    assert (status, report["agrees"]) == (0, True), report
    assert {(one["shard"], one["group"]) for one in report["shards"]} == {(s, g) for s in range(3) for g in (0, 1)}

    file = tmp_path / "index.parquet"
    status, exported = trireme(stack, "export", str(file))
    assert status == 0
    assert exported["documents"] >= 1
    status, imported = trireme(stack, "import", str(file))
    assert (status, imported["imported"], imported["already_there"]) == (0, 0, exported["documents"])

    before = touched(stack)
    found = stack.client.search("cormorants on the mole", filter=Filter(collections=("index-care",)))
    assert [hit.doc_id for hit in found.hits] == [view.doc_id]
    until(lambda: touched(stack) > before, "the shards are told what was shown")

    status, dry = trireme(stack, "expire")
    assert (status, dry["unused"], dry["expired"]) == (0, [], 0)
    assert dry["documents"] == exported["documents"]

    status, states = trireme(stack, "rebuild", "0", "1", "2", "--group", "0")
    assert (status, {state["ready"] for state in states}) == (0, {True})
    assert trireme(stack, "verify")[0] == 0
    again = stack.client.search("cormorants on the northern mole", filter=Filter(collections=("index-care",)))
    assert [hit.doc_id for hit in again.hits] == [view.doc_id]
