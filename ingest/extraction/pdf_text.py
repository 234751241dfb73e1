"""Text of a PDF: the text layer where a page has a usable one, Tesseract where it has not."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pypdfium2.raw as pdfium_c
from pypdfium2 import PdfDocument, PdfPage

from contracts.documents import Box
from ingest.extraction.layout import area
from ingest.extraction.ocr import PAGE_CONFIDENCE, read_words
from ingest.extraction.pdf_blocks import PageBlock, body_height, page_blocks
from ingest.extraction.pdf_document import POINTS_PER_INCH, PageFrame, open_pdf, render
from ingest.extraction.pdf_images import images_of
from ingest.extraction.pdf_lines import Line, read_lines
from ingest.extraction.text_builder import TextBuilder, clean
from ingest.extraction.types import ExtractionLimits, Paragraph
from ingest.extraction.wire import Finished, Progress, Reply, WordsRead

OCR_DPI = 200
# An A3 page at 200 dpi has 7.7 million pixels; larger pages are read at a lower resolution.
_OCR_PIXELS = 8_000_000
# A page that is mostly picture, with fewer letters and digits than this, is a scan with a stamp or a page number.
_FEWEST_CHARACTERS = 64
_MOSTLY_PICTURE = 0.5
# Fonts without a table of meanings give nonsense of this share; readers see letters, so Tesseract will.
_NONSENSE = 0.3


@dataclass(frozen=True, slots=True)
class LayerPage:
    """A page's text layer.

    Args:
        usable: whether the blocks are the page's text. False: the words are in its pixels, if it has any.
        height: in points.
        blank: nothing is drawn on it.
        pictures: where pictures stand that do not fill most of it.
    """

    usable: bool
    lines: list[Line]
    height: float
    blank: bool
    pictures: list[Box]

    def blocks(self, body: float) -> list[PageBlock]:
        """Blocks in reading order; `body` as `body_height` gives it for the whole document."""
        return page_blocks(self.lines, self.height, body, self.pictures)


def read_text(
    data: bytes, limits: ExtractionLimits, known: Mapping[int, tuple[Paragraph, ...]]
) -> Iterator[Reply]:
    """Text of a PDF, with its progress page by page.

    Args:
        known: words of pages that OCR read before.

    Raises:
        DocumentFailed: it cannot be opened or has too many pages.
    """
    builder = TextBuilder(limits.max_characters)
    with open_pdf(data, limits) as document:
        pages: list[LayerPage] = []
        for layer in read_layers(document):
            pages.append(layer)
            yield Progress()
        body = body_height([page.lines for page in pages if page.usable])
        for number, layer in enumerate(pages, start=1):
            if layer.usable:
                add_blocks(builder, layer.blocks(body), number)
            elif not layer.blank:
                words = known.get(number)
                if words is None:
                    words = _read_words(document[number - 1], limits)
                    yield WordsRead(page=number, paragraphs=words)
                for paragraph in words:
                    builder.add("ocr", paragraph.text, page=number, box=paragraph.box)
    yield Finished(text=builder.build())


def read_layers(document: PdfDocument) -> Iterator[LayerPage]:
    """Text layers of all pages in turn; a page is closed before the next is opened, to give its memory back."""
    for index in range(len(document)):
        page = document[index]
        try:
            yield _read_layer(page)
        finally:
            page.close()


def add_blocks(builder: TextBuilder, blocks: list[PageBlock], number: int) -> None:
    """Append a page's blocks to the document's text."""
    for block in blocks:
        builder.add(block.kind, block.text, page=number, box=block.box)


def _read_layer(page: PdfPage) -> LayerPage:
    """A page's text layer, and whether it is to be believed."""
    frame = PageFrame.of(page)
    lines = read_lines(page, frame)
    boxes = [image.box for image in images_of(page, frame)]
    blank = pdfium_c.FPDFPage_CountObjects(page) == 0
    pictures = [box for box in boxes if area(box) < _MOSTLY_PICTURE]
    return LayerPage(_is_usable(lines, boxes), lines, frame.height, blank, pictures)


def _is_usable(lines: list[Line], image_boxes: list[Box]) -> bool:
    raw = "".join(character for line in lines for character in line.text if not character.isspace())
    readable = clean(raw).replace("\ufffd", "")
    if not readable or len(readable) < (1 - _NONSENSE) * len(raw):
        return False
    mostly_picture = max(map(area, image_boxes), default=0.0) >= _MOSTLY_PICTURE
    return not mostly_picture or sum(map(str.isalnum, readable)) >= _FEWEST_CHARACTERS


def _read_words(page: PdfPage, limits: ExtractionLimits) -> tuple[Paragraph, ...]:
    try:
        image = render(page, scale=OCR_DPI / POINTS_PER_INCH, max_pixels=min(_OCR_PIXELS, limits.max_pixels))
    finally:
        page.close()
    return tuple(read_words(image, limits.ocr_languages, confidence=PAGE_CONFIDENCE, dpi=OCR_DPI, sheet=True))
