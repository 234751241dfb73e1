"""Documents by the hundred while workers are killed at random and the broker is restarted: in the end the index
holds what it holds of an undisturbed run, nothing missing and nothing twice.

A hundred documents; `TRIREME_RANDOM_KILLS=1000` takes so many, as `make soak` does.
"""

from __future__ import annotations

import os
import random
import signal
import time
import uuid
from collections.abc import Iterator

import pytest

from client.client import TriremeClient
from contracts.errors import DeadlineExceeded, DependencyDown, NotFound, Overloaded, TriremeError
from contracts.search import Filter
from tests.ingest.extraction.making import encoded, lines, pdf, picture, word
from tests.running_stack import RunningStack, until

pytestmark = pytest.mark.chaos

DOCUMENTS = int(os.environ.get("TRIREME_RANDOM_KILLS", "100"))
SEED = 20261126
# A supervisor gives a process up that dies more than five times in a row, so each dies as often as that at most.
WORKERS = ("text-embedder", "vision-embedder", "joint-updater", "shard-0", "shard-1", "shard-2")
DEATHS_OF_EACH = 1 if DOCUMENTS <= 100 else 4
SETTLED_TIMEOUT_S = 120.0 + DOCUMENTS
RETRY_S = 90.0
ASKED_TOGETHER = 20
SUBJECTS = ("harbour", "glacier", "compost", "lantern", "rope", "bell", "orchard", "signal", "kiln", "tide")


def documents() -> Iterator[tuple[str, bytes]]:
    """Names and files; no two alike."""
    rng = random.Random(SEED)
    for number in range(DOCUMENTS):
        one, two = rng.sample(SUBJECTS, 2)
        text = f"Report {number} on the {one}: it stands {rng.randrange(9000)} metres from the {two}."
        kind = rng.choices(("txt", "md", "docx", "pdf", "png"), (6, 4, 3, 3, 2))[0]
        if kind == "docx":
            data = word(lambda document, text=text: document.add_paragraph(text))
        elif kind == "pdf":
            data = pdf(lambda canvas, text=text: lines(canvas, 60, 700, [text]))
        elif kind == "png":
            data = encoded(picture(number))
        else:
            data = text.encode()
        yield f"{number:04}-{one}.{kind}", data


def test_index_is_that_of_an_undisturbed_run_whatever_dies_on_the_way(stack: RunningStack) -> None:
    quiet, disturbed = (f"{kind}-{uuid.uuid4().hex[:6]}" for kind in ("quiet", "disturbed"))
    for name, data in documents():
        upload(stack.client, name, data, quiet)
    wait_until_indexed(stack, quiet)

    killed = ingest_among_kills(stack, disturbed)
    wait_until_indexed(stack, disturbed)

    undisturbed, found = items_of(stack, quiet), items_of(stack, disturbed)
    print(f"\n{DOCUMENTS} documents, {len(found)} items, killed: {', '.join(killed)}")  # noqa: T201
    assert len({source for source, *_ in undisturbed}) == DOCUMENTS
    assert sorted(set(undisturbed) - set(found)) == []
    assert sorted(set(found) - set(undisturbed)) == []
    assert len(found) == len(set(found))


def ingest_among_kills(stack: RunningStack, collection: str) -> list[str]:
    """Hand all documents in, some after each death; every worker dies, and the broker in the middle."""
    rng = random.Random(SEED)
    victims = list(WORKERS) * DEATHS_OF_EACH
    rng.shuffle(victims)
    victims.insert(len(victims) // 2, "kafka")
    files = list(documents())
    share = -(-len(files) // (len(victims) + 1))
    for number, victim in enumerate([*victims, None]):
        for name, data in files[number * share : (number + 1) * share]:
            upload(stack.client, name, data, collection)
        if victim is not None:
            until(lambda v=victim: stack.process(v).state == "ready", f"{victim} can be killed", RETRY_S)
            stack.send(victim, signal.SIGKILL)
    until(lambda: {view.state for view in stack.state().processes} == {"ready"}, "all processes are back", RETRY_S)
    return victims


def upload(client: TriremeClient, name: str, data: bytes, collection: str) -> None:
    """Hand a file in, again until it is taken: what refuses with a passing error is on its way back."""
    deadline = time.monotonic() + RETRY_S
    while True:
        try:
            client.upload(data, name, collection=collection)
            return
        except (DependencyDown, DeadlineExceeded, Overloaded):
            assert time.monotonic() < deadline, f"{name} was not taken"
            time.sleep(0.2)


def wait_until_indexed(stack: RunningStack, collection: str) -> None:
    """Until all are; fails at once where one has failed for good."""

    def done() -> bool:
        try:
            counts = stack.client.documents(collection=collection, limit=1).counts or {}
        except (DependencyDown, DeadlineExceeded, NotFound):
            return False
        assert not counts.get("failed"), counts
        return counts.get("indexed", 0) == DOCUMENTS

    until(done, f"all of {collection} is indexed", SETTLED_TIMEOUT_S)


def items_of(stack: RunningStack, collection: str) -> list[tuple[str, str, int | None, str | None]]:
    """Every item of a collection as searches find it: source, kind, page, text."""
    ids: list[str] = []
    cursor: str | None = None
    while True:
        page = stack.client.documents(collection=collection, cursor=cursor, limit=200)
        ids += [view.doc_id for view in page.documents]
        if (cursor := page.next_cursor) is None:
            break
    groups = [tuple(ids[start : start + ASKED_TOGETHER]) for start in range(0, len(ids), ASKED_TOGETHER)]
    return [
        item
        for group in groups
        for kind in ("text", "picture")
        for item in found_by(stack.client, Filter(collections=(collection,), doc_ids=group, kinds=(kind,)))
    ]


def found_by(client: TriremeClient, wanted: Filter) -> list[tuple[str, str, int | None, str | None]]:
    """All items within a filter, once every shard has answered."""
    found: list[tuple[str, str, int | None, str | None]] = []

    def complete() -> bool:
        found.clear()
        try:
            response = client.search("everything there is", k=100, filter=wanted)
        except TriremeError:
            return False
        if response.coverage.answered < response.coverage.of or response.degraded:
            return False
        assert len(response.hits) < 100, "more items than one response holds"
        found.extend((hit.source or "", hit.kind, hit.page, hit.text) for hit in response.hits)
        return True

    until(complete, "all shards answer")
    return found
