"""What `trireme demo` shows: questions of every kind, an answer, and what happens to files that are no good.

Each show asks the running stack for real and says whether the outcome is the one that it should be.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image, ImageOps

from cli.files import read_file
from cli.render import place, short
from client.client import TriremeClient
from contracts.api import SearchResponse
from contracts.errors import TriremeError
from contracts.search import Filter
from stack.home import CHECKOUT

SAMPLES = CHECKOUT / "samples"
PICTURES = CHECKOUT / "benchmarks" / "quality" / "queries"
WAIT_S = 60.0
CACHE_TRIES = 5
GONE = frozenset({"deleted"})


@dataclass(frozen=True, slots=True)
class Shown:
    """One row of the demo's table.

    Args:
        found: what came back, in a few words.
        ms: time on the clock of the one who asked.
        as_expected: whether it is what the demo promises.
    """

    what: str
    asked: str
    found: str
    ms: float
    as_expected: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a show went. `ms` where only a part of it is worth telling."""

    found: str
    as_expected: bool
    ms: float | None = None


@dataclass(frozen=True, slots=True)
class Show:
    """Something to show: what it is, what is asked, and how."""

    what: str
    asked: str
    run: Callable[[TriremeClient], Outcome]


def perform(client: TriremeClient, show: Show) -> Shown:
    """Run one show; an error of ours is an outcome like any other, and never the expected one."""
    began = time.perf_counter()
    try:
        outcome = show.run(client)
    except TriremeError as error:
        outcome = Outcome(error.message, as_expected=False)
    ms = (time.perf_counter() - began) * 1000 if outcome.ms is None else outcome.ms
    return Shown(show.what, show.asked, outcome.found, ms, outcome.as_expected)


def first_question() -> Show:
    """The question whose answer ends the wait of a newcomer."""
    question = "How often is the heap turned until the compost is ready?"
    return Show("text to text", question, lambda client: _first_hit(client.search(question), "compost.md"))


def shows() -> list[Show]:
    """Everything after the first question, in the order in which it is told."""
    return [
        _text("text to a scanned page", "Which part of the mantel clock was broken?", "scan-clock-repair.pdf"),
        _text("text to picture", "a cactus", "cactus.png", kind="picture"),
        _text(
            "text to a figure in a PDF", "line chart of a shrinking glacier", "glacier-retreat.pdf", kind="picture"
        ),
        _mirrored("picture to picture", "castle.jpg"),
        _picture("picture to a figure in a DOCX", "dinosaur.png", None, "dinosaur-hall-guide.docx"),
        _picture(
            "text and picture",
            "bicycle.png",
            "Which screw keeps the chain from falling into the spokes?",
            "bicycle-gears.pdf",
        ),
        _answer("At what fall of mites a day should treatment begin?", "varroa-treatment.pdf"),
        _again("a cactus"),
        _damaged("corrupt picture uploaded", "corrupt-picture.png"),
        _damaged("truncated PDF uploaded", "truncated.pdf"),
        _refused("text under a picture's name", "not-a-picture.png"),
        _deleted("upload, find, delete"),
    ]


def _text(what: str, question: str, expected: str, kind: str | None = None) -> Show:
    only = Filter(kinds=("picture",)) if kind == "picture" else None
    return Show(what, question, lambda client: _first_hit(client.search(question, filter=only), expected))


def _picture(what: str, picture: str, question: str | None, expected: str) -> Show:
    def run(client: TriremeClient) -> Outcome:
        return _first_hit(client.search(question, image=read_file(PICTURES / picture)), expected)

    return Show(what, f"{question} + {picture}" if question else picture, run)


def _mirrored(what: str, sample: str) -> Show:
    """The sample itself as another picture: mirrored and at half the size."""

    def run(client: TriremeClient) -> Outcome:
        with Image.open(SAMPLES / sample) as picture:
            small = ImageOps.mirror(picture.convert("RGB")).reduce(2)
        data = io.BytesIO()
        small.save(data, "PNG")
        return _first_hit(client.search(image=data.getvalue()), sample)

    return Show(what, f"{sample}, mirrored and at half its size", run)


def _answer(question: str, expected: str) -> Show:
    def run(client: TriremeClient) -> Outcome:
        answer = client.answer(question)
        cited = [place(citation.source, citation.page) for citation in answer.citations]
        right = answer.found and any(c.source == _name(expected) for c in answer.citations)
        return Outcome(
            f"“{short(answer.answer, 160)}” — {', '.join(dict.fromkeys(cited)) or 'nothing cited'}", right
        )

    return Show("answer with citations", question, run)


def _again(question: str) -> Show:
    def run(client: TriremeClient) -> Outcome:
        for _ in range(CACHE_TRIES):
            began = time.perf_counter()
            response = client.search(question)
            ms = (time.perf_counter() - began) * 1000
            # On a busy machine the cache may once be slower than the 10 ms that a search waits for it.
            if response.served_by == "cache":
                break
        return Outcome(f"the same hits, served by: {response.served_by}", response.served_by == "cache", ms)

    return Show("the same question again", question, run)


def _damaged(what: str, file: str) -> Show:
    def run(client: TriremeClient) -> Outcome:
        sent = client.upload(read_file(SAMPLES / "damaged" / file), f"damaged/{file}")
        end = client.wait(sent.doc_id, version=sent.version, timeout_s=WAIT_S)
        return Outcome(f"{end.state}: {end.reason}", end.state == "failed" and bool(end.reason))

    return Show(what, file, run)


def _refused(what: str, file: str) -> Show:
    def run(client: TriremeClient) -> Outcome:
        try:
            client.upload(read_file(SAMPLES / "damaged" / file), f"damaged/{file}")
        except TriremeError as error:
            return Outcome(f"refused: {error.message}", error.code == "unsupported_media")
        return Outcome("was taken in", as_expected=False)

    return Show(what, file, run)


def _deleted(what: str) -> Show:
    text = "The brass sextant of Captain Ilse Brandvold hangs in the harbour office of Osterkai."
    question = "Where is Captain Brandvold's sextant kept?"

    def run(client: TriremeClient) -> Outcome:
        sent = client.upload(text.encode(), "demo/sextant.txt")
        client.wait(sent.doc_id, version=sent.version, timeout_s=WAIT_S)
        found = _documents(client.search(question))
        gone = client.delete(sent.doc_id)
        client.wait(sent.doc_id, states=GONE, version=gone.version, timeout_s=WAIT_S)
        left = _documents(client.search(question))
        as_expected = sent.doc_id in found[:1] and sent.doc_id not in left
        return Outcome(
            "found first, and gone after the delete" if as_expected else "not as it should be", as_expected
        )

    return Show(what, question, run)


def _documents(response: SearchResponse) -> list[str]:
    return [hit.doc_id for hit in response.hits]


def _first_hit(response: SearchResponse, expected: str) -> Outcome:
    if not response.hits:
        return Outcome("no hits", as_expected=False)
    best = response.hits[0]
    told = f"{place(best.source, best.page)} ({best.kind}, {best.score:.2f})"
    return Outcome(told, best.source == _name(expected))


def _name(sample: str) -> str:
    return f"{SAMPLES.name}/{sample}"
