"""PNG and JPEG files: the picture itself, and the words that stand in it."""

from collections.abc import Iterator

from ingest.extraction.ocr import PICTURE_CONFIDENCE, read_words
from ingest.extraction.pictures import MAX_EDGE, finished, is_decoration, open_picture
from ingest.extraction.text_builder import TextBuilder
from ingest.extraction.types import ExtractionLimits
from ingest.extraction.wire import Finished, PictureFound, Reply


def read_text(data: bytes, limits: ExtractionLimits) -> Finished:
    """Words in a picture that Tesseract is sure of, a block a paragraph; empty text where there are none."""
    image = open_picture(data, limits.max_pixels)
    builder = TextBuilder()
    if not is_decoration(*image.size):
        # Letters that cannot be read at this size are not what a picture is about; four times the pixels take
        # Tesseract four times as long.
        image.thumbnail((MAX_EDGE, MAX_EDGE))
        for paragraph in read_words(image, limits.ocr_languages, confidence=PICTURE_CONFIDENCE):
            builder.add("ocr", paragraph.text, box=paragraph.box)
    return Finished(text=builder.build())


def read_pictures(data: bytes, limits: ExtractionLimits) -> Iterator[Reply]:
    """The picture. However small or plain: somebody uploaded it."""
    image = open_picture(data, limits.max_pixels)
    yield PictureFound(picture=finished(image, ordinal=0, anchor=0))
    yield Finished()
