"""Where words stand on a page of a PDF. For the drawing process only: PDFium is not thread-safe."""

import ctypes
import unicodedata

import pypdfium2.raw as pdfium_c
from pypdfium2 import PdfPage, PdfTextPage

from contracts.documents import Box

# PDFium maps points to whole pixels; on a page as large as this that is exact.
_FINE = 10_000_000
_MOST_BOXES = 64


def boxes_of(page: PdfPage, quote: str) -> tuple[Box, ...]:
    """Boxes around a quote's words, one a line or a change of font; none where they do not stand on the page.

    Letters and digits alone count: white space, hyphens at a line's end and ligatures differ between a page and
    the text that was taken from it.
    """
    wanted = _letters(quote)
    if not wanted:
        return ()
    text = page.get_textpage()
    letters: list[str] = []
    places: list[int] = []
    for index in range(text.count_chars()):
        for letter in _letters(chr(pdfium_c.FPDFText_GetUnicode(text, index))):
            letters.append(letter)
            places.append(index)
    start = "".join(letters).find(wanted)
    if start < 0:
        return ()
    first, last = places[start], places[start + len(wanted) - 1]
    return tuple(_rectangles(page, text, first, last - first + 1))


def _letters(text: str) -> str:
    return "".join(each for each in unicodedata.normalize("NFKC", text).casefold() if each.isalnum())


def _rectangles(page: PdfPage, text: PdfTextPage, start: int, count: int) -> list[Box]:
    boxes = []
    for index in range(min(text.count_rects(start, count), _MOST_BOXES)):
        left, bottom, right, top = text.get_rect(index)
        corners = [_shown(page, left, top), _shown(page, right, bottom)]
        (x0, x1), (y0, y1) = sorted(x for x, _ in corners), sorted(y for _, y in corners)
        x0, y0, x1, y1 = max(x0, 0.0), max(y0, 0.0), min(x1, 1.0), min(y1, 1.0)
        if x0 < x1 and y0 < y1:
            boxes.append(Box(x0, y0, x1, y1))
    return boxes


def _shown(page: PdfPage, x: float, y: float) -> tuple[float, float]:
    """A point of a page, as fractions of the page as it is shown: turned, and cut to its crop box."""
    column, row = ctypes.c_int(), ctypes.c_int()
    pdfium_c.FPDF_PageToDevice(page, 0, 0, _FINE, _FINE, 0, x, y, column, row)
    return column.value / _FINE, row.value / _FINE
