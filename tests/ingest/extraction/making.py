"""Documents with known contents, made anew for each test, and the readers run on them in this process."""

import io
import random
import zlib
from collections.abc import Callable, Sequence
from struct import pack

import docx
from docx.document import Document
from PIL import Image, ImageDraw, ImageFont
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from contracts.media import PDF
from ingest.extraction.readers import read
from ingest.extraction.types import ExtractedPicture, ExtractedText, ExtractionLimits
from ingest.extraction.wire import Finished, PictureFound, Request

PAGE = (600.0, 800.0)
# How far a box may be off, in fractions of a page: PDFium's boxes hold ascenders and descenders.
NEAR = 0.02


def read_text(data: bytes, content_type: str, **limits: object) -> ExtractedText:
    """Text of a document."""
    request = Request(want="text", content_type=content_type, limits=ExtractionLimits(**limits), data=data)
    *_, last = read(request)
    assert isinstance(last, Finished)
    assert last.text is not None
    for block in last.text.blocks:
        assert last.text.text[block.char_start : block.char_end] == block.text
    return last.text


def read_pictures(data: bytes, content_type: str, **limits: object) -> list[ExtractedPicture]:
    """Pictures of a document."""
    request = Request(want="pictures", content_type=content_type, limits=ExtractionLimits(**limits), data=data)
    pictures = [reply.picture for reply in read(request) if isinstance(reply, PictureFound)]
    assert [picture.ordinal for picture in pictures] == list(range(len(pictures)))
    return pictures


def pdf(*pages: Callable[[Canvas], None], rotation: int = 0, **options: object) -> bytes:
    """A PDF with pages of 600 x 800 points, each drawn by one function."""
    stream = io.BytesIO()
    canvas = Canvas(stream, pagesize=PAGE, **options)
    for draw in pages:
        canvas.setPageRotation(rotation)
        draw(canvas)
        canvas.showPage()
    canvas.save()
    return stream.getvalue()


def lines(
    canvas: Canvas, x: float, y: float, texts: Sequence[str], *, size: float = 11, font: str = "Helvetica"
) -> None:
    """Draw lines of text downwards; `y` is the baseline of the first one, from the bottom."""
    for index, text in enumerate(texts):
        canvas.setFont(font, size)
        canvas.drawString(x, y - index * size * 1.25, text)


def picture(seed: int, width: int = 200, height: int = 150) -> Image.Image:
    """Overlapping discs in random colours: a picture that compresses well and differs by its seed."""
    rng = random.Random(seed)
    image = Image.new("RGB", (width, height), tuple(rng.randrange(256) for _ in range(3)))
    draw = ImageDraw.Draw(image)
    for _ in range(12):
        x, y, r = rng.randrange(width), rng.randrange(height), rng.randrange(10, 60)
        draw.ellipse((x - r, y - r, x + r, y + r), fill=tuple(rng.randrange(256) for _ in range(3)))
    return image


def written(texts: Sequence[str], width: int = 1240, height: int = 1754, size: int = 36) -> Image.Image:
    """A white picture with lines of black letters, as a scanner would give it at 150 dpi."""
    image = Image.new("L", (width, height), 255)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(size)
    for index, text in enumerate(texts):
        draw.text((100, 120 + index * size * 1.8), text, fill=0, font=font)
    return image


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    """Bytes of a picture file."""
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def draw_picture(canvas: Canvas, image: Image.Image, x: float, y: float, width: float, height: float) -> None:
    """Draw a picture; `y` is its lower edge, from the bottom of the page."""
    canvas.drawImage(ImageReader(image), x, y, width, height, mask="auto")


def word(fill: Callable[[Document], None]) -> bytes:
    """A Word document filled by a function."""
    document = docx.Document()
    fill(document)
    stream = io.BytesIO()
    document.save(stream)
    return stream.getvalue()


def scan(*texts: str) -> Callable[[Canvas], None]:
    """A page that is one picture with these lines on it."""
    return lambda canvas: draw_picture(canvas, written(texts), 0, 0, *PAGE)


def pdf_text(*pages: Callable[[Canvas], None], rotation: int = 0) -> ExtractedText:
    """Text of a PDF drawn by these functions."""
    return read_text(pdf(*pages, rotation=rotation), PDF)


def pdf_pictures(*pages: Callable[[Canvas], None], rotation: int = 0) -> list[ExtractedPicture]:
    """Pictures of a PDF drawn by these functions."""
    return read_pictures(pdf(*pages, rotation=rotation), PDF)


def black_png(megapixels: int) -> bytes:
    """A PNG of some kilobytes that declares (and holds) so many black pixels."""
    width, height = 10_000, megapixels * 100
    body = zlib.compress(b"\x00" * (height * (width // 8 + 1)), 9)

    def part(kind: bytes, content: bytes) -> bytes:
        return pack(">I", len(content)) + kind + content + pack(">I", zlib.crc32(kind + content))

    header = pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", header) + part(b"IDAT", body) + part(b"IEND", b"")
