"""Scans of known texts: typeset, rendered at the resolution of a scanner, and worn as paper and glass do."""

import io
import random
from dataclasses import dataclass

from PIL import Image
from pypdfium2 import PdfDocument
from reportlab.lib.pagesizes import A4
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from benchmarks.extraction.writing import typeset
from export.samples.formats import weathered
from export.samples.source import Source

_POINTS_PER_INCH = 72
_PAPER, _INK = 246, 35


@dataclass(frozen=True, slots=True)
class Condition:
    """How a text was scanned.

    Args:
        noisy: turned by up to 0.7 degrees, soft, grainy, with specks and a dark edge, and packed as JPEG of
            quality 55; else as clean as a rendering is, packed without loss.
    """

    dpi: int
    noisy: bool

    @property
    def name(self) -> str:
        """As a table shows it."""
        return f"{self.dpi} dpi, {'noisy' if self.noisy else 'clean'}"


CONDITIONS = tuple(Condition(dpi, noisy) for dpi in (150, 300) for noisy in (False, True))


def scanned(source: Source, condition: Condition, *, turn: int = 0) -> bytes:
    """A PDF whose pages are pictures of the text and nothing else, laid on the glass turned by so many degrees."""
    rng = random.Random(f"{source.file}:{condition.name}")
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=A4, invariant=1)
    document = PdfDocument(typeset(source, columns=1, figures=False))
    try:
        for page in document:
            sheet = page.render(scale=condition.dpi / _POINTS_PER_INCH).to_pil().convert("L")
            size = A4 if turn % 180 == 0 else (A4[1], A4[0])
            canvas.setPageSize(size)
            canvas.drawImage(_packed(sheet.rotate(turn, expand=True), condition, rng), 0, 0, *size)
            canvas.showPage()
    finally:
        document.close()
    canvas.save()
    return out.getvalue()


def _packed(sheet: Image.Image, condition: Condition, rng: random.Random) -> ImageReader:
    if not condition.noisy:
        return ImageReader(sheet)
    faded = sheet.point(lambda level: _INK + level * (_PAPER - _INK) // 255)
    packed = io.BytesIO()
    weathered(faded, rng, dpi=condition.dpi).save(packed, "JPEG", quality=55)
    packed.seek(0)
    return ImageReader(packed)
