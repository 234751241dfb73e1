"""The `trireme` command against a running stack, as a person or a script uses it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from stack.home import CHECKOUT
from tests.running_stack import RunningStack, until

pytestmark = pytest.mark.integration

COMMAND_TIMEOUT_S = 120.0


def trireme(*arguments: str, home: Path | None = None) -> subprocess.CompletedProcess[str]:
    place = ["--home", str(home)] if home is not None else []
    return subprocess.run(
        [sys.executable, "-m", "cli.main", *arguments, *place],
        capture_output=True,
        text=True,
        timeout=COMMAND_TIMEOUT_S,
        stdin=subprocess.DEVNULL,
        check=False,
    )


def parsed(result: subprocess.CompletedProcess[str]) -> Any:
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_status_shows_every_process_with_port_memory_and_health(stack: RunningStack) -> None:
    report = parsed(trireme("status", "--json", home=stack.home.root))
    assert report["healthy"]
    assert report["gateway_url"] == stack.url
    names = {each["process"]["name"] for each in report["processes"]}
    assert names >= {"triton", "kafka", "redis", "shard-0", "shard-1", "shard-2", "replica", "gateway"}
    assert all(each["resident_mib"] > 1 and each["process"]["ports"] for each in report["processes"])
    shown = trireme("status", home=stack.home.root).stdout
    assert stack.url in shown
    assert "text-embedder" in shown


def test_files_are_ingested_searched_listed_and_deleted(stack: RunningStack, tmp_path: Path) -> None:
    folder = tmp_path / "letters"
    folder.mkdir()
    (folder / "ferry.txt").write_text("The ferry to Kolding leaves at nine and carries forty bicycles.")
    (folder / "broken.png").write_bytes((CHECKOUT / "samples" / "damaged" / "corrupt-picture.png").read_bytes())
    home = stack.home.root

    ingested = trireme("ingest", str(folder), "--collection", "by-command", "--json", home=home)
    assert ingested.returncode == 1, "a file that fails is told by the exit status"
    ends = {end["name"]: end for end in json.loads(ingested.stdout)}
    assert ends["letters/ferry.txt"]["state"] == "indexed"
    assert ends["letters/broken.png"]["state"] == "failed"
    assert ends["letters/broken.png"]["reason"]

    found = parsed(trireme("search", "bicycles on the ferry", "--collection", "by-command", "--json", home=home))
    assert found["hits"][0]["source"] == "letters/ferry.txt"
    assert "letters/ferry.txt" in trireme("search", "bicycles on the ferry", home=home).stdout

    doc_id = ends["letters/ferry.txt"]["doc_id"]
    assert parsed(trireme("documents", "show", doc_id, "--json", home=home))["state"] == "indexed"
    assert parsed(trireme("documents", "delete", doc_id, "--json", home=home))["state"] == "deleted"
    listed = parsed(trireme("documents", "list", "--state", "deleted", "--json", home=home))
    assert doc_id in {view["doc_id"] for view in listed["documents"]}


def test_ingest_through_a_gateway_address_does_the_same(stack: RunningStack, tmp_path: Path) -> None:
    (tmp_path / "kiln.txt").write_text("The kiln of Marstal burned at nine hundred degrees.")
    result = trireme("ingest", str(tmp_path / "kiln.txt"), "--url", stack.url)
    assert result.returncode == 0, result.stderr
    assert "1 indexed" in result.stdout


def test_a_folder_is_mirrored_and_what_its_files_lose_is_lost(stack: RunningStack, tmp_path: Path) -> None:
    (tmp_path / "heron.txt").write_text("The heron of Nyord nests in the third poplar.")
    (tmp_path / "stork.txt").write_text("The stork of Nyord nests on the chapel.")
    mirror = ("ingest", "--sync", tmp_path.as_uri(), "--collection", "mirror", "--json")
    first = parsed(trireme(*mirror, home=stack.home.root))
    assert [end["state"] for end in first["ends"]] == ["indexed", "indexed"]
    (tmp_path / "stork.txt").unlink()
    said = parsed(trireme(*mirror, "--dry-run", home=stack.home.root))
    assert (said["deleted"], said["unchanged"]) == (["stork.txt"], 1)
    refused = trireme(*mirror, home=stack.home.root)
    assert refused.returncode == 1
    assert "1 of 2" in refused.stderr
    parsed(trireme(*mirror, "--yes", home=stack.home.root))
    until(lambda: mirrored(stack)["stork.txt"] == "deleted", "the stork has gone")
    assert mirrored(stack)["heron.txt"] == "indexed"


def mirrored(stack: RunningStack) -> dict[str | None, str]:
    return {view.source: view.state for view in stack.client.documents(collection="mirror").documents}


def test_a_question_is_answered_with_its_source(stack: RunningStack, tmp_path: Path) -> None:
    (tmp_path / "varroa.pdf").write_bytes((CHECKOUT / "samples" / "varroa-treatment.pdf").read_bytes())
    assert trireme("ingest", str(tmp_path / "varroa.pdf"), "--url", stack.url).returncode == 0
    result = trireme("ask", "At what fall of mites a day should treatment begin?", home=stack.home.root)
    assert result.returncode == 0, result.stderr
    assert "ten a day" in result.stdout
    assert "varroa" in result.stdout


def test_an_error_is_one_line_without_a_traceback(stack: RunningStack) -> None:
    result = trireme("documents", "show", "00000000-0000-5000-8000-000000000000", home=stack.home.root)
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.startswith("trireme: ")
    assert "Traceback" not in result.stderr


def test_without_a_stack_the_command_says_how_to_start_one(tmp_path: Path) -> None:
    result = trireme("status", home=tmp_path)
    assert result.returncode == 1
    assert "trireme up" in result.stderr
