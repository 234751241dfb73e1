"""What extraction takes and gives: limits, blocks of text, pictures. Values only; they cross a pipe as msgpack."""

from typing import Literal

import msgspec

from contracts.documents import Box

BlockKind = Literal["heading", "paragraph", "list_item", "table_row", "caption", "ocr"]
PictureMediaType = Literal["image/png", "image/jpeg", "image/webp"]


class ExtractionLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How much a document may cost.

    Args:
        timeout_s: longest silence of the reader; it reports every page and every picture that is done.
        document_timeout_s: longest time for one document as a whole (a scan of 100 pages is slow, not stuck).
        memory_bytes: address space of the reading process (RLIMIT_AS), its libraries included.
        max_pages: pages of a PDF or TIFF.
        max_pixels: pixels of one picture, as its header declares them.
        max_document_pixels: pixels of all pictures that are decoded for one document.
        max_characters: characters of a document's text.
        max_output_bytes: everything that the reading process may answer about one document; pictures beyond it
            are left out.
        max_uncompressed_bytes: sum of all parts of a DOCX, unpacked.
        max_xml_bytes: sum of the XML parts of a DOCX, unpacked, or a web page; a parsed tree takes about ten
            times as much.
        max_zip_entries: parts of a DOCX.
        max_pictures: pictures taken out of one document; the rest is left out.
        ocr_languages: Tesseract's names of the languages to read, joined by '+'.
    """

    timeout_s: float = 60.0
    document_timeout_s: float = 480.0
    memory_bytes: int = 1024**3
    max_pages: int = 300
    max_pixels: int = 40_000_000
    max_document_pixels: int = 1_000_000_000
    max_characters: int = 5_000_000
    max_output_bytes: int = 200_000_000
    max_uncompressed_bytes: int = 200_000_000
    max_xml_bytes: int = 40_000_000
    max_zip_entries: int = 5_000
    max_pictures: int = 500
    ocr_languages: str = "eng"


class Paragraph(msgspec.Struct, frozen=True):
    """Words that OCR sees as one paragraph; `box` in fractions of the picture or page."""

    text: str
    box: Box


class TextBlock(msgspec.Struct, frozen=True, kw_only=True):
    """One block of a document's text, in reading order.

    Args:
        kind: "ocr" for a paragraph that was read from pixels.
        text: equals `ExtractedText.text[char_start:char_end]`; never empty, no space at its ends.
        page: page from 1, or None where the format has no pages.
        box: the block's rectangle on its page, or on the picture; None where the format has no layout.
        heading: text of the nearest heading above, None before the first; a heading's own text is not its heading.
    """

    kind: BlockKind
    text: str
    char_start: int
    char_end: int
    page: int | None = None
    box: Box | None = None
    heading: str | None = None


class ExtractedText(msgspec.Struct, frozen=True, kw_only=True):
    """A document's text and its blocks.

    Args:
        text: the whole document, NFC, without invisible and control characters other than line breaks.
        blocks: ascending and without overlap; what lies between two of them is white space.
    """

    text: str
    blocks: tuple[TextBlock, ...]


class ExtractedPicture(msgspec.Struct, frozen=True, kw_only=True):
    """One picture of a document, decoded, put upright, reduced to at most 2048 pixels a side and encoded anew.

    Args:
        ordinal: position among the document's pictures, from 0.
        page, box: where it stands; None where the format has no pages, or no layout.
        anchor: offset in `ExtractedText.text` at which the picture stands: at its caption, else at the text
            nearest to it. None where that text is not known without reading pixels.
        caption: the line "Figure n ..." beside it, or its alternative text, or None.
        width, height: of `data`, in pixels.
        thumbnail: WebP, at most 256 pixels a side.
    """

    ordinal: int
    page: int | None
    box: Box | None
    anchor: int | None
    caption: str | None
    width: int
    height: int
    data: bytes
    media_type: PictureMediaType
    thumbnail: bytes
