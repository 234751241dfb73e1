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
class Show:
    """Something to show: what it is, what is asked, and how."""

    what: str
    asked: str
    run: Callable[[TriremeClient], tuple[str, bool]]


def perform(client: TriremeClient, show: Show) -> Shown:
    """Run one show; an error of ours is an outcome like any other, and never the expected one."""
    began = time.perf_counter()
    try:
        found, as_expected = show.run(client)
    except TriremeError as error:
        found, as_expected = error.message, False
    return Shown(show.what, show.asked, found, (time.perf_counter() - began) * 1000, as_expected)


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
    def run(client: TriremeClient) -> tuple[str, bool]:
        return _first_hit(client.search(question, image=read_file(PICTURES / picture)), expected)

    return Show(what, f"{question} + {picture}" if question else picture, run)


def _mirrored(what: str, sample: str) -> Show:
    """The sample itself as another picture: mirrored and at half the size."""

    def run(client: TriremeClient) -> tuple[str, bool]:
        with Image.open(SAMPLES / sample) as picture:
            small = ImageOps.mirror(picture.convert("RGB")).reduce(2)
        data = io.BytesIO()
        small.save(data, "PNG")
        return _first_hit(client.search(image=data.getvalue()), sample)

    return Show(what, f"{sample}, mirrored and at half its size", run)


def _answer(question: str, expected: str) -> Show:
    def run(client: TriremeClient) -> tuple[str, bool]:
        answer = client.answer(question)
        cited = [place(citation.source, citation.page) for citation in answer.citations]
        right = answer.found and any(c.source == _name(expected) for c in answer.citations)
        return f"“{short(answer.answer, 160)}” — {', '.join(dict.fromkeys(cited)) or 'nothing cited'}", right

    return Show("answer with citations", question, run)


def _again(question: str) -> Show:
    def run(client: TriremeClient) -> tuple[str, bool]:
        client.search(question)
        response = client.search(question)
        return f"the same hits, served by: {response.served_by}", response.served_by == "cache"

    return Show("the same question again", question, run)


def _damaged(what: str, file: str) -> Show:
    def run(client: TriremeClient) -> tuple[str, bool]:
        sent = client.upload(read_file(SAMPLES / "damaged" / file), f"damaged/{file}")
        end = client.wait(sent.doc_id, version=sent.version, timeout_s=WAIT_S)
        return f"{end.state}: {end.reason}", end.state == "failed" and bool(end.reason)

    return Show(what, file, run)


def _refused(what: str, file: str) -> Show:
    def run(client: TriremeClient) -> tuple[str, bool]:
        try:
            client.upload(read_file(SAMPLES / "damaged" / file), f"damaged/{file}")
        except TriremeError as error:
            return f"refused: {error.message}", error.code == "unsupported_media"
        return "was taken in", False

    return Show(what, file, run)


def _deleted(what: str) -> Show:
    text = "The brass sextant of Captain Ilse Brandvold hangs in the harbour office of Osterkai."
    question = "Where is Captain Brandvold's sextant kept?"

    def run(client: TriremeClient) -> tuple[str, bool]:
        sent = client.upload(text.encode(), "demo/sextant.txt")
        client.wait(sent.doc_id, version=sent.version, timeout_s=WAIT_S)
        found = _documents(client.search(question))
        gone = client.delete(sent.doc_id)
        client.wait(sent.doc_id, states=GONE, version=gone.version, timeout_s=WAIT_S)
        left = _documents(client.search(question))
        as_expected = sent.doc_id in found[:1] and sent.doc_id not in left
        return ("found first, and gone after the delete" if as_expected else "not as it should be"), as_expected

    return Show(what, question, run)


def _documents(response: SearchResponse) -> list[str]:
    return [hit.doc_id for hit in response.hits]


def _first_hit(response: SearchResponse, expected: str) -> tuple[str, bool]:
    if not response.hits:
        return "no hits", False
    best = response.hits[0]
    return f"{place(best.source, best.page)} ({best.kind}, {best.score:.2f})", best.source == _name(expected)


def _name(sample: str) -> str:
    return f"{SAMPLES.name}/{sample}"
