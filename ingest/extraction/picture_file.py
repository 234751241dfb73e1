"""Picture files: the picture itself, or the pages of a TIFF, and the words that stand in it."""

from collections.abc import Iterator

from PIL import Image

from contracts.errors import DocumentFailed, InvalidInput
from encoding.pictures import page_count
from ingest.extraction.ocr import PAGE_CONFIDENCE, PICTURE_CONFIDENCE, read_words
from ingest.extraction.pictures import MAX_EDGE, finished, is_decoration, open_picture
from ingest.extraction.text_builder import TextBuilder
from ingest.extraction.types import ExtractionLimits
from ingest.extraction.wire import Finished, PictureFound, Progress, Reply


def read_text(data: bytes, limits: ExtractionLimits) -> Iterator[Reply]:
    """Words in a picture that Tesseract is sure of, a block a paragraph; empty text where there are none.

    The pages of a TIFF with several are read as scans: what Tesseract is less sure of stays in.

    Raises:
        DocumentFailed: cause "corrupt", "too_many_pages" or "too_many_pixels".
    """
    builder = TextBuilder(limits.max_characters)
    for page, image in _pages(data, limits):
        if not is_decoration(*image.size):
            # Letters that cannot be read at this size are not what a picture is about; four times the pixels take
            # Tesseract four times as long.
            image.thumbnail((MAX_EDGE, MAX_EDGE))
            sheet = page is not None
            confidence = PAGE_CONFIDENCE if sheet else PICTURE_CONFIDENCE
            for paragraph in read_words(image, limits.ocr_languages, confidence=confidence, sheet=sheet):
                builder.add("ocr", paragraph.text, page=page, box=paragraph.box)
        yield Progress()
    yield Finished(text=builder.build())


def read_pictures(data: bytes, limits: ExtractionLimits) -> Iterator[Reply]:
    """The picture, or each page. However small or plain: somebody uploaded it.

    Raises:
        DocumentFailed: as `read_text`.
    """
    for page, image in _pages(data, limits):
        # Where the text of a later page begins is not known without reading the pages before it.
        anchor = 0 if page in (None, 1) else None
        yield PictureFound(picture=finished(image, ordinal=(page or 1) - 1, page=page, anchor=anchor))
    yield Finished()


def _pages(data: bytes, limits: ExtractionLimits) -> Iterator[tuple[int | None, Image.Image]]:
    """Numbers from 1 and pictures; the number is None for a file that is but one picture."""
    try:
        n_pages = page_count(data)
    except InvalidInput as exc:
        raise DocumentFailed("corrupt", "The picture is damaged and cannot be decoded.") from exc
    if n_pages > limits.max_pages:
        raise DocumentFailed(
            "too_many_pages", f"The picture has {n_pages} pages; at most {limits.max_pages} are read."
        )
    pixels = 0
    for page in range(n_pages):
        image = open_picture(data, limits.max_pixels, page=page)
        pixels += image.width * image.height
        if pixels > limits.max_document_pixels:
            raise DocumentFailed(
                "too_many_pixels",
                f"The picture's pages have more than {limits.max_document_pixels / 1e6:.0f} megapixels together.",
            )
        yield (None if n_pages == 1 else page + 1), image
