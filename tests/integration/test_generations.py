"""Resharding a running index from 3 shards to 5 and back, while people search and upload all the time."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from typing import Any

import pytest

from client.client import TriremeClient
from contracts.api import SearchResponse
from contracts.search import Filter
from runtime.generations import read_generations
from stack.home import StackHome
from stack.state import StackState
from tests.constant_searches import PATIENT, ConstantSearches
from tests.running_stack import RunningStack, running, until

pytestmark = pytest.mark.integration

COMMAND_TIMEOUT_S = 240.0
ONLY = Filter(collections=("towns",))
TOWNS = ("Bruntal", "Orlova", "Pisek", "Telc", "Zatec", "Hranice", "Klatovy", "Litvinov", "Mikulov", "Nachod")


def question(town: str) -> str:
    return f"What does the clockmaker of {town} repair?"


def letter(town: str) -> bytes:
    return f"The clockmaker of {town} repairs the bronze bells of {town} every winter.".encode()


def generations(stack: RunningStack, *arguments: str) -> Any:
    """JSON of a command that must succeed."""
    result = subprocess.run(
        [
            *(sys.executable, "-m", "cli.main", "index", "generations", *arguments),
            *("--home", str(stack.home.root), "--json"),
        ],
        capture_output=True,
        text=True,
        timeout=COMMAND_TIMEOUT_S,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def announced(stack: RunningStack) -> str:
    """The generation that is being built, as soon as the log tells of it: building takes ten seconds or more."""
    found: list[str] = []

    def look() -> bool:
        known = read_generations(stack.state().kafka_bootstrap)
        found.extend(name for name, one in known.items() if one.state == "building")
        return bool(found)

    until(look, "the new generation is announced")
    return found[0]


def ask(client: TriremeClient, number: int) -> tuple[SearchResponse, str]:
    """Words that change: an answer from the cache would prove nothing."""
    town = TOWNS[number % len(TOWNS)]
    return client.search(f"{question(town)} {number}", filter=ONLY), f"{town}.txt"


def add(stack: RunningStack, name: str, data: bytes) -> str:
    view = stack.client.upload(data, f"{name}.txt", collection="towns", wait=True, wait_s=60)
    assert view.state == "indexed"
    return view.doc_id


def serving(stack: RunningStack) -> str:
    """The generation that answers now; another question each time, so that no answer is remembered."""
    found = stack.client.search(f"bells {time.monotonic_ns()}", filter=ONLY)
    return found.generation


def finds(stack: RunningStack, name: str, words: str) -> bool:
    found = stack.client.search(f"{words} {time.monotonic_ns()}", filter=ONLY)
    return bool(found.hits) and found.hits[0].source == f"{name}.txt"


def process_names(state: StackState) -> set[str]:
    return {view.name for view in state.processes}


def snapshots(home: StackHome) -> set[str]:
    return {folder.name for folder in (home.data / "snapshots").iterdir()}


def test_an_index_is_resharded_back_and_forth_without_one_search_failing() -> None:
    with running("resharding", *PATIENT) as stack:
        for town in TOWNS:
            add(stack, town, letter(town))
        old = stack.state().generation

        with ConstantSearches(stack.url, ask).going_on() as searching:
            until(lambda: searching.n_searches > 5, "searches run")
            building: dict[str, Any] = {}
            worker = threading.Thread(target=lambda: building.update(generations(stack, "build", "--shards", "5")))
            worker.start()
            new = announced(stack)
            generations(stack, "pause", new)
            worker.join(COMMAND_TIMEOUT_S)
            assert building["ready"] is False
            assert [one["building"] for one in generations(stack, "list")] == [None, "paused"]
            # Written while it is being built: one that comes, and one that comes and goes.
            add(stack, "during", b"The falconer of Rimov trains a peregrine named Severin.")
            passing = add(stack, "passing", b"The locksmith of Sumava sells padlocks of brass.")
            version = stack.client.document(passing).version
            stack.client.delete(passing)
            stack.client.wait(passing, states={"deleted"}, version=version + 1, timeout_s=60)
            building = generations(stack, "resume", new)
            assert (building["ready"], building["refused"]) == (True, {})
            assert building["generation"]["n_shards"] == 5

            compared = generations(stack, "compare", new, "--queries", "20")
            comparison = compared["comparison"]
            assert compared["recorded_queries"] > 0
            assert comparison["unanswered"] == 0
            assert comparison["old"]["items"] == comparison["new"]["items"]
            # So few vectors are scanned exactly: whatever differs would be a fault.
            assert (comparison["old"]["recall"], comparison["new"]["recall"]) == (1.0, 1.0)
            assert comparison["overlap"] == 1.0

            generations(stack, "switch", new)
            until(lambda: serving(stack) == new, "searches go to the new generation", 30)
            assert finds(stack, "during", "Who trains a peregrine in Rimov?")
            add(stack, "after", b"The cooper of Lanov builds barrels out of mulberry wood.")

            generations(stack, "rollback")
            until(lambda: serving(stack) == old, "searches go back", 30)
            # Written after the cut-over, and in the old one all the same.
            assert finds(stack, "during", "Who trains a peregrine in Rimov?")
            assert finds(stack, "after", "Who builds barrels of mulberry wood?")

            generations(stack, "switch", new)
            until(lambda: serving(stack) == new, "searches go to the new generation again", 30)
            generations(stack, "retire", old)
            until(
                lambda: "shard-0" not in process_names(stack.state()) and "shard-0" not in snapshots(stack.home),
                "the old generation's processes and snapshots are gone",
                30,
            )
            at_the_end = searching.n_searches
            until(lambda: searching.n_searches > at_the_end + 10, "searches go on")

        print(searching.report)  # noqa: T201 - how many were slow or partial is for people to see
        assert searching.failures == []
        assert searching.served_by == [old, new, old, new]
        assert finds(stack, "after", "Who builds barrels of mulberry wood?")
        sources = {hit.source for hit in stack.client.search("padlocks of brass", filter=ONLY, k=50).hits}
        assert sources == {f"{name}.txt" for name in (*TOWNS, "during", "after")}
        states = {one["generation"]["name"]: one["generation"]["state"] for one in generations(stack, "list")}
        assert states == {old: "retired", new: "serving"}
        assert not any((stack.home.objects / "items" / old).glob("*/*"))

        # A building that nobody wants any more ends as well.
        begun: dict[str, Any] = {}
        worker = threading.Thread(target=lambda: begun.update(generations(stack, "build", "--shards", "2")))
        worker.start()
        third = announced(stack)
        generations(stack, "retire", third)
        worker.join(COMMAND_TIMEOUT_S)
        assert begun["ready"] is False
        assert not any((stack.home.objects / "items" / third).glob("*/*"))
        until(lambda: not any(third in name for name in process_names(stack.state())), "its processes are gone")

        # And the next start begins with what serves now.
        stack.stop()
        stack.start()
        assert stack.state().generation == new
        assert "shard-0" not in process_names(stack.state())
        assert finds(stack, "during", "Who trains a peregrine in Rimov?")
