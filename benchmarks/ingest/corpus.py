"""Seeded documents that differ in every chunk and every picture, so that no cache of vectors helps."""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

_PAGE = (600.0, 800.0)
_PDF_PAGES = 3


@dataclass(frozen=True, slots=True)
class Source:
    """One file."""

    name: str
    data: bytes
    content_type: str
    pages: int


def corpus(prose: Sequence[Sequence[str]], n: int, seed: int) -> list[Source]:
    """`n` files: of four, two are Markdown of about 400 words, one is a picture, one a PDF of three pages with a
    picture on each."""
    makers: tuple[Callable[[Sequence[Sequence[str]], str, random.Random], Source], ...] = (
        _markdown,
        _pdf,
        _markdown,
        _picture,
    )
    return [makers[i % len(makers)](prose, f"{seed}-{i}", random.Random(f"{seed} {i}")) for i in range(n)]


def scans(prose: Sequence[Sequence[str]], n: int, seed: int) -> list[Source]:
    """`n` PDFs of one scanned page each: what they cost is OCR, on one core at a time in each worker."""
    return [_scan(prose, f"{seed}-scan-{i}", random.Random(f"{seed} scan {i}")) for i in range(n)]


def notes(n: int, seed: int) -> list[Source]:
    """`n` texts of one sentence each: what they cost is the way of a document, not its content."""
    rng = random.Random(f"{seed} notes")
    words = "Note {}: valve number {} was opened by crew {}."
    return [
        Source(
            f"{seed}-note-{i}.txt",
            words.format(i, rng.randrange(10**6), rng.randrange(40)).encode(),
            "text/plain",
            1,
        )
        for i in range(n)
    ]


def picture_file(name: str, rng: random.Random) -> Source:
    """A picture as people take them: 640 by 480 pixels, no words on it."""
    return Source(f"{name}.png", _png(_drawn(rng, 640, 480)), "image/png", 1)


def _picture(prose: Sequence[Sequence[str]], name: str, rng: random.Random) -> Source:
    del prose
    return picture_file(name, rng)


def _markdown(prose: Sequence[Sequence[str]], name: str, rng: random.Random) -> Source:
    parts = [f"## Part {i}\n\n{_words(prose, rng, 100)}" for i in range(4)]
    return Source(f"{name}.md", f"# Note {name}\n\n{chr(10).join(parts)}".encode(), "text/markdown", 1)


def _pdf(prose: Sequence[Sequence[str]], name: str, rng: random.Random) -> Source:
    stream = io.BytesIO()
    canvas = Canvas(stream, pagesize=_PAGE)
    for page in range(_PDF_PAGES):
        words = _words(prose, rng, 220).split(" ")
        for line in range(0, len(words), 11):
            canvas.drawString(60, 720 - 1.3 * line, " ".join(words[line : line + 11]))
        canvas.drawImage(ImageReader(_drawn(rng, 320, 240)), 60, 60, 320, 240)
        canvas.drawString(60, 40, f"Figure {page + 1}: what was seen at place {name}")
        canvas.showPage()
    canvas.save()
    return Source(f"{name}.pdf", stream.getvalue(), "application/pdf", _PDF_PAGES)


def _scan(prose: Sequence[Sequence[str]], name: str, rng: random.Random) -> Source:
    image = Image.new("L", (1240, 1754), 255)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(32)
    words = _words(prose, rng, 200).split(" ")
    for line in range(0, len(words), 9):
        draw.text((100, 120 + line * 6), " ".join(words[line : line + 9]), fill=0, font=font)
    stream = io.BytesIO()
    canvas = Canvas(stream, pagesize=_PAGE)
    canvas.drawImage(ImageReader(image), 0, 0, *_PAGE)
    canvas.save()
    return Source(f"{name}.pdf", stream.getvalue(), "application/pdf", 1)


def _words(prose: Sequence[Sequence[str]], rng: random.Random, n: int) -> str:
    """Sentences of spans of real prose."""
    sentences: list[str] = []
    while sum(sentence.count(" ") + 1 for sentence in sentences) < n:
        words = rng.choice(prose)
        start = rng.randrange(len(words) - 14)
        sentences.append(" ".join(words[start : start + rng.randint(7, 14)]) + f" {rng.randrange(10**6)}.")
    return " ".join(sentences)


def _drawn(rng: random.Random, width: int, height: int) -> Image.Image:
    image = Image.new("RGB", (width, height), _colour(rng))
    draw = ImageDraw.Draw(image)
    for _ in range(14):
        x, y, r = rng.randrange(width), rng.randrange(height), rng.randrange(width // 20, width // 4)
        draw.ellipse((x - r, y - r, x + r, y + r), fill=_colour(rng))
    return image


def _colour(rng: random.Random) -> tuple[int, int, int]:
    return rng.randrange(256), rng.randrange(256), rng.randrange(256)


def _png(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()
