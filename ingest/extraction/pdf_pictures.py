"""Pictures of a PDF: embedded ones as they look on the page, and whole pages where the page is one picture.

- A page without usable text is a scan: its rendering is its one picture, unless smaller pictures stand on it.
- A picture that fills a page with text is its background: it counts only when nothing else is on it, as in scans
  with a text layer beneath.
- A chart drawn with lines counts where a caption "Figure n" stands beside it.
- Small, thin and flat pictures are decoration. A picture that comes again (a logo) counts once, where it is first.

Pictures are cut from the rendered page, so masks, colour spaces, rotation and drawings over them come out as
people see them.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image
from pypdfium2 import PdfPage

from contracts.documents import Box
from ingest.extraction.captions import is_picture_caption
from ingest.extraction.layout import area
from ingest.extraction.pdf_blocks import body_height
from ingest.extraction.pdf_captions import anchor_of, match_captions
from ingest.extraction.pdf_document import POINTS_PER_INCH, PageFrame, open_pdf, render
from ingest.extraction.pdf_drawings import drawings_beside
from ingest.extraction.pdf_images import PlacedImage, images_of
from ingest.extraction.pdf_text import LayerPage, add_blocks, read_layers
from ingest.extraction.pictures import MAX_EDGE, finished, is_decoration, is_flat
from ingest.extraction.text_builder import TextBuilder
from ingest.extraction.types import ExtractionLimits, TextBlock
from ingest.extraction.wire import Finished, PictureFound, Progress, Reply

_WHOLE_PAGE = Box(0.0, 0.0, 1.0, 1.0)
_FILLS_PAGE = 0.85
_SMALLEST_AREA = 0.002
_PAGE_SCALE = 150 / POINTS_PER_INCH
_FINEST_SCALE = 300 / POINTS_PER_INCH
_MAX_PIXELS = MAX_EDGE * MAX_EDGE


@dataclass(frozen=True, slots=True)
class _PageText:
    """A page's part of the document's text.

    Args:
        start: where it begins; None once an earlier page has to be read by Tesseract, which is not done twice.
    """

    start: int | None
    blocks: list[TextBlock]


def read_pictures(data: bytes, limits: ExtractionLimits) -> Iterator[Reply]:
    """Pictures of a PDF, page by page.

    Raises:
        DocumentFailed: it cannot be opened or has too many pages.
    """
    seen: set[bytes] = set()
    n_found = left_out = 0
    with open_pdf(data, limits) as document:
        layers: list[LayerPage] = []
        for layer in read_layers(document):
            layers.append(layer)
            yield Progress()
        for index, text in enumerate(_page_texts(layers, limits.max_characters)):
            if layers[index].blank:
                continue
            page = document[index]
            found = [*_embedded(page, layers[index], seen)]
            found += _drawn(page, [box for _, box in found], text.blocks)
            page.close()
            captions = match_captions([box for _, box in found], text.blocks)
            for (image, box), caption in zip(found, captions, strict=True):
                if n_found == limits.max_pictures:
                    left_out += 1
                    continue
                yield PictureFound(
                    picture=finished(
                        image,
                        ordinal=n_found,
                        page=index + 1,
                        box=box,
                        anchor=None if text.start is None else anchor_of(box, caption, text.blocks, text.start),
                        caption=caption.text if caption else None,
                    )
                )
                n_found += 1
            yield Progress()
    yield Finished(left_out=left_out)


def _page_texts(layers: list[LayerPage], max_characters: int) -> list[_PageText]:
    builder = TextBuilder(max_characters)
    body = body_height([layer.lines for layer in layers if layer.usable])
    texts: list[_PageText] = []
    known = True
    for number, layer in enumerate(layers, start=1):
        before, start = len(builder.blocks), builder.next_start
        if layer.usable:
            add_blocks(builder, layer.blocks(body), number)
        texts.append(_PageText(start if known else None, builder.blocks[before:]))
        known = known and (layer.usable or layer.blank)
    return texts


def _embedded(page: PdfPage, layer: LayerPage, seen: set[bytes]) -> Iterator[tuple[Image.Image, Box]]:
    """Pictures whose pixels are in the file, or the whole page; adds their hashes to `seen`."""
    frame = PageFrame.of(page)
    images = [
        image
        for image in images_of(page, frame)
        if not is_decoration(image.width, image.height) and area(image.box) >= _SMALLEST_AREA
    ]
    filling = [image for image in images if area(image.box) >= _FILLS_PAGE]
    smaller = [image for image in images if area(image.box) < _FILLS_PAGE]
    wanted: list[tuple[Box, float, bytes | None]] = []
    if smaller:
        wanted = [(image.box, _scale(image, frame), image.digest()) for image in smaller]
    elif filling:
        wanted = [(_WHOLE_PAGE, _PAGE_SCALE, filling[-1].digest())]
    elif not layer.usable:
        wanted = [(_WHOLE_PAGE, _PAGE_SCALE, None)]
    for box, scale, digest in wanted:
        if digest in seen:
            continue
        image = render(page, scale=scale, max_pixels=_MAX_PIXELS, box=box)
        if not is_flat(image):
            if digest is not None:
                seen.add(digest)
            yield image, box


def _drawn(page: PdfPage, boxes: list[Box], blocks: list[TextBlock]) -> Iterator[tuple[Image.Image, Box]]:
    """Drawings above those captions of a page that belong to none of its pictures in `boxes`."""
    used = [block for block in match_captions(boxes, blocks) if block is not None]
    free = [block.box for block in blocks if block.box and is_picture_caption(block.text) and block not in used]
    for box in drawings_beside(page, PageFrame.of(page), free):
        image = render(page, scale=_PAGE_SCALE, max_pixels=_MAX_PIXELS, box=box)
        if not is_flat(image):
            yield image, box


def _scale(image: PlacedImage, frame: PageFrame) -> float:
    """Pixels per point at which a picture is shown with its own pixels."""
    points = area(image.box) * frame.width * frame.height
    return min(math.sqrt(image.width * image.height / points), _FINEST_SCALE)
