"""Opening PDFs, and where things stand on their pages. PDFium is not thread-safe: reading processes only."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pypdfium2.raw as pdfium_c
from PIL import Image
from pypdfium2 import PdfDocument, PdfiumError, PdfPage

from contracts.documents import Box
from contracts.errors import DocumentFailed
from ingest.extraction.layout import clipped
from ingest.extraction.types import ExtractionLimits

# left, top, right, bottom in points of a page as it is shown
Rectangle = tuple[float, float, float, float]

POINTS_PER_INCH = 72.0
# Bytes after the end mark that are tolerated; mail gateways and web servers append some.
_TAIL_BYTES = 4096
# PDFium maps points to whole pixels; on a page as large as this, measured over this many units, that is exact.
_FINE = 10_000_000
_SPAN = 1000.0
_CORRUPT = "The PDF is damaged and cannot be opened."


@contextmanager
def open_pdf(data: bytes, limits: ExtractionLimits) -> Iterator[PdfDocument]:
    """Open a PDF for a `with` block.

    PDFium repairs what it can, and would show the first pages of a file of which the rest is missing; a document
    that is silently half there is worse than one that is refused, so a file without its end mark is.

    Raises:
        DocumentFailed: cause "corrupt", "encrypted" or "too_many_pages"; also for PDFium's errors in the block.
    """
    if b"%%EOF" not in data[-_TAIL_BYTES:]:
        raise DocumentFailed("corrupt", "The PDF is incomplete: its end is missing. Was the upload cut off?")
    try:
        document = PdfDocument(data)
    except PdfiumError as exc:
        if exc.err_code in (pdfium_c.FPDF_ERR_PASSWORD, pdfium_c.FPDF_ERR_SECURITY):
            raise DocumentFailed("encrypted", "The PDF is protected with a password.") from exc
        raise DocumentFailed("corrupt", _CORRUPT) from exc
    try:
        if len(document) > limits.max_pages:
            raise DocumentFailed(
                "too_many_pages", f"The PDF has {len(document)} pages; at most {limits.max_pages} are read."
            )
        yield document
    except PdfiumError as exc:
        raise DocumentFailed("corrupt", "The PDF is damaged: one of its pages cannot be read.") from exc
    finally:
        document.close()


@dataclass(frozen=True, slots=True)
class PageFrame:
    """From PDF units (origin bottom left, before rotation) to the page as it is shown (points from the top left).

    Args:
        width, height: of the page as it is shown, in points.
        matrix: a, b, c, d, e, f of `x' = ax + cy + e`, `y' = bx + dy + f`.
    """

    width: float
    height: float
    matrix: tuple[float, float, float, float, float, float]

    @classmethod
    def of(cls, page: PdfPage) -> "PageFrame":
        """The frame of a page, its rotation and crop box included."""
        width, height = page.get_size()
        x0, y0 = _shown(page, 0, 0)
        x1, y1 = _shown(page, _SPAN, 0)
        x2, y2 = _shown(page, 0, _SPAN)
        return cls(
            width,
            height,
            (
                (x1 - x0) * width / _SPAN,
                (y1 - y0) * height / _SPAN,
                (x2 - x0) * width / _SPAN,
                (y2 - y0) * height / _SPAN,
                x0 * width,
                y0 * height,
            ),
        )

    def rectangle(self, left: float, bottom: float, right: float, top: float) -> Rectangle:
        """A rectangle in PDF units as left, top, right, bottom in points of the shown page."""
        a, b, c, d, e, f = self.matrix
        x0, y0 = a * left + c * bottom + e, b * left + d * bottom + f
        x1, y1 = a * right + c * top + e, b * right + d * top + f
        return min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)

    def fraction(self, rectangle: Rectangle) -> Box | None:
        """A shown rectangle as fractions of the page, cut to it; None where nothing of it is on the page."""
        left, top, right, bottom = rectangle
        return clipped(left / self.width, top / self.height, right / self.width, bottom / self.height)


def _shown(page: PdfPage, x: float, y: float) -> tuple[float, float]:
    column, row = ctypes.c_int(), ctypes.c_int()
    pdfium_c.FPDF_PageToDevice(page, 0, 0, _FINE, _FINE, 0, x, y, column, row)
    return column.value / _FINE, row.value / _FINE


def render(page: PdfPage, *, scale: float, max_pixels: int, box: Box | None = None) -> Image.Image:
    """A page, or a part of it, as RGB pixels.

    Args:
        scale: pixels per PDF unit (1/72 inch); made smaller where the result would exceed `max_pixels`.
        box: the part; None for the whole page.

    Raises:
        PdfiumError: the page cannot be rendered.
    """
    width, height = page.get_size()
    part = box or Box(0.0, 0.0, 1.0, 1.0)
    area = max(width * (part.right - part.left) * height * (part.bottom - part.top), 1e-6)
    scale = min(scale, (max_pixels / area) ** 0.5)
    crop = (part.left * width, (1 - part.bottom) * height, (1 - part.right) * width, part.top * height)
    try:
        bitmap = page.render(scale=scale, crop=crop, rev_byteorder=True)
    except ValueError as exc:  # fewer than one pixel is left
        raise PdfiumError("nothing to render") from exc
    image: Image.Image = bitmap.to_pil()
    return image.convert("RGB")
