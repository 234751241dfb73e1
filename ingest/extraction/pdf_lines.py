"""The text layer of one PDF page as lines: PDFium's characters with their places, cut at its line breaks."""

import ctypes
import re
import statistics
from dataclasses import dataclass

import pypdfium2.raw as pdfium_c
from pypdfium2 import PdfPage, PdfTextPage

from contracts.documents import Box
from ingest.extraction.pdf_document import PageFrame, Rectangle

# A gap of this many line heights inside a line separates the cells of a table row. Justified lines stay below.
_CELL_GAP = 1.0
_LINE_BREAKS = (0x0A, 0x0D)
# What PDFium gives for a hyphen at which a word is broken; the next line follows without a line break.
_WORD_BREAKS = (0x02, 0xFFFE)
_BOLD_NAME = re.compile(r"bold|black|heavy", re.IGNORECASE)
_BROKEN_WORD = re.compile(r"[^\W\d_]-$")
_FORCE_BOLD = 1 << 18  # font descriptor flag, PDF 1.7 reference, table 5.20


@dataclass(frozen=True, slots=True)
class Line:
    """One line of text.

    Args:
        cells: the line's text, cut at wide gaps; one cell in running text.
        cell_edges: left and right edge of each cell, in fractions of the page.
        height: from ascender to descender in points, as a measure of the font's size.
        hyphenated: whether the last word goes on in the next line; its hyphen is in the text.
    """

    cells: tuple[str, ...]
    cell_edges: tuple[tuple[float, float], ...]
    box: Box
    height: float
    bold: bool
    hyphenated: bool

    @property
    def text(self) -> str:
        """The line's text."""
        return " ".join(self.cells)


@dataclass(slots=True)
class _Character:
    """A character with its place on the shown page; `place` is None for white space and what PDFium added."""

    text: str
    place: Rectangle | None


def read_lines(page: PdfPage, frame: PageFrame) -> list[Line]:
    """Lines of a page in the order of the file, which is the order in which most programs write."""
    textpage = page.get_textpage()
    try:
        lines: list[Line] = []
        characters: list[_Character] = []
        first = 0
        bounds = pdfium_c.FS_RECTF()  # one for all: making them takes longer than filling them
        for index in range(textpage.count_chars()):
            code = pdfium_c.FPDFText_GetUnicode(textpage, index)
            if code and code not in _LINE_BREAKS:
                if not characters:
                    first = index
                characters.append(_character(textpage, index, code, frame, bounds))
            if code in _LINE_BREAKS or code in _WORD_BREAKS:
                _append(lines, frame, characters, textpage, first)
                characters = []
        _append(lines, frame, characters, textpage, first)
        return lines
    finally:
        textpage.close()


def _character(
    textpage: PdfTextPage, index: int, code: int, frame: PageFrame, bounds: pdfium_c.FS_RECTF
) -> _Character:
    text = "-" if code in _WORD_BREAKS else chr(code)
    # All characters that PDFium adds by itself are white space, too.
    if text.isspace() or not pdfium_c.FPDFText_GetLooseCharBox(textpage, index, bounds):
        return _Character(text, None)
    return _Character(text, frame.rectangle(bounds.left, bounds.bottom, bounds.right, bounds.top))


def _append(
    lines: list[Line], frame: PageFrame, characters: list[_Character], textpage: PdfTextPage, first: int
) -> None:
    places = [character.place for character in characters if character.place is not None]
    rectangle = _around(places)
    box = frame.fraction(rectangle) if rectangle else None
    if box is None:
        return
    height = statistics.median(bottom - top for _, top, _, bottom in places) or 1.0
    cells: list[str] = []
    edges: list[tuple[float, float]] = []
    for cell in _cells(characters, _CELL_GAP * height):
        around = _around([character.place for character in cell if character.place is not None])
        shown = frame.fraction(around) if around else None
        cells.append("".join(character.text for character in cell).strip())
        edges.append((shown.left, shown.right) if shown else (box.left, box.right))
    lines.append(
        Line(
            cells=tuple(cells),
            cell_edges=tuple(edges),
            box=box,
            height=height,
            bold=_is_bold(textpage, first),
            hyphenated=_BROKEN_WORD.search(cells[-1]) is not None,
        )
    )


def _around(places: list[Rectangle]) -> Rectangle | None:
    if not places:
        return None
    return (
        min(place[0] for place in places),
        min(place[1] for place in places),
        max(place[2] for place in places),
        max(place[3] for place in places),
    )


def _cells(characters: list[_Character], gap: float) -> list[list[_Character]]:
    """Characters of a line, cut where the white space before a character is wider than `gap`."""
    cells: list[list[_Character]] = [[]]
    end: float | None = None
    for character in characters:
        if character.place is not None:
            if end is not None and character.place[0] - end > gap:
                cells.append([])
            end = character.place[2]
        cells[-1].append(character)
    return cells


def _is_bold(textpage: PdfTextPage, index: int) -> bool:
    flags = ctypes.c_int()
    name = ctypes.create_string_buffer(128)
    pdfium_c.FPDFText_GetFontInfo(textpage, index, name, len(name), flags)
    return bool(flags.value & _FORCE_BOLD) or _BOLD_NAME.search(name.value.decode("utf-8", "replace")) is not None
