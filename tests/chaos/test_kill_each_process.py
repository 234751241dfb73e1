"""kill -9 of each process in turn while documents are ingested: nothing is lost, and searches go on meanwhile.

One round a process: the same files go into a collection of the round, the process is killed on the way, and in the
end the collection must hold exactly the items that an undisturbed round gave.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from client.client import TriremeClient
from contracts.errors import DeadlineExceeded, DependencyDown, NotFound, Overloaded, TriremeError
from contracts.search import Filter
from stack.home import CHECKOUT
from tests.running_stack import RunningStack, until

pytestmark = pytest.mark.chaos

FILES = (
    "compost.md",
    "fish-soup.txt",
    "first-aid-burns.docx",
    "glacier-retreat.pdf",
    "scan-clock-repair.pdf",
    "varroa-treatment.pdf",
    "stable-rules.docx",
    "orchestra-strings.pdf",
    "cactus.png",
    "castle.jpg",
    "knots.md",
    "penguin-colony-report.docx",
)
VICTIMS = (
    "shard-0",
    "shard-1",
    "shard-2",
    "replica",
    "text-embedder",
    "vision-embedder",
    "joint-updater",
    "redis",
    "triton",
    "kafka",
    "gateway",
)
# Without these no new question can be answered; a known one still can, from the cache.
NEEDED_FOR_NEW_QUESTIONS = frozenset({"triton", "kafka"})
ALL_INDEXED_TIMEOUT_S = 180.0
RETRY_S = 60.0
ASK_EVERY_S = 0.25
# Two processors read scans, restart a process and search at once: now and then 200 ms pass without an answer.
# But never does somebody who asks again wait longer than this.
LONGEST_GAP_S = 5.0
KNOWN_QUESTION = "How often is a hot compost heap turned?"
# Scores of one item may differ by what another batch size does to a float.
SCORE_TOLERANCE = 5e-3


@pytest.fixture(scope="module")
def undisturbed(stack: RunningStack) -> dict[tuple[object, ...], float]:
    """The items that the files give when nothing happens."""
    ingest(stack, "undisturbed")
    wait_until_indexed(stack, "undisturbed")
    items = items_of(stack, "undisturbed")
    assert {source for source, *_ in items} == set(FILES)
    return items


@dataclass
class Searcher:
    """Asks a known and a new question by turns, and keeps what came of it."""

    client: TriremeClient
    known: list[str] = field(default_factory=list)
    new: list[str] = field(default_factory=list)
    coverages: set[tuple[int, int]] = field(default_factory=set)
    longest_gap_s: float = 0.0
    _stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        answered_at = time.monotonic()
        while not self._stop.wait(ASK_EVERY_S):
            self.known.append(self._ask(KNOWN_QUESTION))
            self.new.append(self._ask(f"a new question {uuid.uuid4()}"))
            self.longest_gap_s = max(self.longest_gap_s, time.monotonic() - answered_at)
            if self.new[-1] == "answered":
                answered_at = time.monotonic()

    def stop(self) -> None:
        self._stop.set()

    def report(self) -> str:
        outcomes = f"known {counts(self.known)}, new {counts(self.new)}"
        return f"{outcomes}, coverage {sorted(self.coverages)}, longest gap {self.longest_gap_s:.1f} s"

    def _ask(self, question: str) -> str:
        try:
            response = self.client.search(question)
        except TriremeError as error:
            return error.code
        self.coverages.add((response.coverage.answered, response.coverage.of))
        return "answered"


@pytest.fixture
def searcher(stack: RunningStack) -> Iterator[Searcher]:
    with TriremeClient(stack.url, timeout_s=10.0) as client:
        asking = Searcher(client)
        client.search(KNOWN_QUESTION)
        thread = threading.Thread(target=asking.run, name="searcher")
        thread.start()
        yield asking
        asking.stop()
        thread.join()


@pytest.mark.parametrize("victim", VICTIMS)
def test_nothing_is_lost_and_searches_go_on_when_a_process_is_killed(
    stack: RunningStack, undisturbed: dict[tuple[object, ...], float], searcher: Searcher, victim: str
) -> None:
    collection = f"killed-{victim}-{uuid.uuid4().hex[:6]}"
    ingesting = threading.Thread(target=ingest, args=(stack, collection))
    ingesting.start()
    until(lambda: len(states(stack, collection)) >= 3, "some documents are on their way")
    stack.kill(victim)
    ingesting.join(RETRY_S)
    wait_until_indexed(stack, collection)
    searcher.stop()

    assert same_items(items_of(stack, collection), undisturbed) == []
    told = searcher.report()
    assert all(answered <= of == 3 for answered, of in searcher.coverages), told
    assert "internal" not in searcher.known + searcher.new, told
    if victim != "gateway":
        assert set(searcher.known) == {"answered"}, told
    if victim not in NEEDED_FOR_NEW_QUESTIONS | {"gateway"}:
        assert set(searcher.new) <= {"answered", "deadline_exceeded"}, told
        assert searcher.longest_gap_s < LONGEST_GAP_S, told


def ingest(stack: RunningStack, collection: str) -> None:
    """Hand all files in, each again until it is taken: what refuses with a passing error is on its way back."""
    for name in FILES:
        data = (CHECKOUT / "samples" / name).read_bytes()
        deadline = time.monotonic() + RETRY_S
        while True:
            try:
                stack.client.upload(data, name, collection=collection)
                break
            except (DependencyDown, DeadlineExceeded, Overloaded):
                assert time.monotonic() < deadline, f"{name} was not taken"
                time.sleep(0.2)


def states(stack: RunningStack, collection: str) -> dict[str, str]:
    """State of each document of a collection by its name; nothing while the gateway is away."""
    try:
        documents = stack.client.documents(limit=200).documents
    except (DependencyDown, DeadlineExceeded, NotFound):
        return {}
    return {view.source: view.state for view in documents if view.collection == collection and view.source}


def wait_until_indexed(stack: RunningStack, collection: str) -> None:
    until(
        lambda: (found := states(stack, collection)).keys() == set(FILES) and set(found.values()) == {"indexed"},
        f"all of {collection} is indexed",
        ALL_INDEXED_TIMEOUT_S,
    )


def items_of(stack: RunningStack, collection: str) -> dict[tuple[object, ...], float]:
    """Every item of a collection, as searches find it, with its score for one and the same question."""
    items: dict[tuple[object, ...], float] = {}

    def complete() -> bool:
        items.clear()
        for kind in ("text", "picture"):
            only = Filter(collections=(collection,), kinds=(kind,))
            try:
                response = stack.client.search("everything there is", k=100, filter=only)
            except TriremeError:
                return False
            if response.coverage.answered < response.coverage.of or response.degraded:
                return False
            assert len(response.hits) < 100, "more items than one response holds"
            for hit in response.hits:
                key = (hit.source, hit.item_id, hit.kind, hit.page, hit.caption, hit.heading, hit.text)
                items[key] = hit.score
        return True

    until(complete, f"all shards tell the items of {collection}")
    return items


def same_items(got: dict[tuple[object, ...], float], wanted: dict[tuple[object, ...], float]) -> list[str]:
    """Differences in words; empty when there are none."""
    lost = [f"lost: {key[:3]}" for key in wanted.keys() - got.keys()]
    extra = [f"extra: {key[:3]}" for key in got.keys() - wanted.keys()]
    moved = [
        f"score of {key[:3]}: {got[key]:.4f} instead of {wanted[key]:.4f}"
        for key in wanted.keys() & got.keys()
        if abs(got[key] - wanted[key]) > SCORE_TOLERANCE
    ]
    return lost + extra + moved


def counts(outcomes: list[str]) -> dict[str, int]:
    return {outcome: outcomes.count(outcome) for outcome in sorted(set(outcomes))}
