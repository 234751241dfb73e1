"""Image objects of a PDF page: where each stands, and what belongs together."""

import ctypes
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pypdfium2.raw as pdfium_c
from pypdfium2 import PdfImage, PdfiumError, PdfObject, PdfPage

from contracts.documents import Box
from ingest.extraction.layout import union
from ingest.extraction.pdf_document import PageFrame, Rectangle

# Scanners and some programs cut one picture into strips, which touch to this fraction of the page.
_TOUCHING = 0.003


@dataclass(frozen=True, slots=True)
class PlacedImage:
    """An image object on its page.

    Args:
        width, height: of its own pixels; of the strips together where it was made of strips.
        objects: the image objects it consists of.
    """

    box: Box
    width: int
    height: int
    objects: tuple[PdfImage, ...]

    def digest(self) -> bytes:
        """Hash of the stored pixels: the same picture on two pages has the same."""
        digest = hashlib.sha256()
        for image in self.objects:
            size = pdfium_c.FPDFImageObj_GetImageDataRaw(image, None, 0)
            buffer = (ctypes.c_ubyte * size)()
            pdfium_c.FPDFImageObj_GetImageDataRaw(image, buffer, size)
            digest.update(bytes(buffer))
        digest.update(f"{self.width}x{self.height}".encode())
        return digest.digest()


def images_of(page: PdfPage, frame: PageFrame) -> list[PlacedImage]:
    """Images of a page, those inside reused forms included; strips are put together again."""
    found = page.get_objects(filter=[pdfium_c.FPDF_PAGEOBJ_IMAGE])
    return _merged([placed for image in found if (placed := placed_image(image, frame)) is not None])


def placed_image(image: PdfImage, frame: PageFrame) -> PlacedImage | None:
    """Where an image object stands; None where it is not on the page."""
    try:
        box = frame.fraction(shown_rectangle(image, frame))
        width, height = image.get_px_size()
    except PdfiumError:
        return None
    return PlacedImage(box, width, height, (image,)) if box else None


def shown_rectangle(placed: PdfObject, frame: PageFrame) -> Rectangle:
    """Where an object of a page is shown.

    Raises:
        PdfiumError: PDFium does not know.
    """
    bounds = placed.get_bounds()
    container = placed.container
    while container is not None:  # bounds are in the coordinates of the form that the object is part of
        bounds = container.get_matrix().on_rect(*bounds)
        container = container.container
    return frame.rectangle(*bounds)


def _merged(images: Sequence[PlacedImage]) -> list[PlacedImage]:
    merged: list[PlacedImage] = []
    for image in images:
        for index, other in enumerate(merged):
            if (joined := _joined(other, image)) is not None:
                merged[index] = joined
                break
        else:
            merged.append(image)
    return merged


def _joined(a: PlacedImage, b: PlacedImage) -> PlacedImage | None:
    """Two images as one, where one goes on exactly where the other ends."""
    same_columns = abs(a.box.left - b.box.left) <= _TOUCHING and abs(a.box.right - b.box.right) <= _TOUCHING
    same_rows = abs(a.box.top - b.box.top) <= _TOUCHING and abs(a.box.bottom - b.box.bottom) <= _TOUCHING
    below = min(abs(a.box.bottom - b.box.top), abs(b.box.bottom - a.box.top)) <= _TOUCHING
    beside = min(abs(a.box.right - b.box.left), abs(b.box.right - a.box.left)) <= _TOUCHING
    together = replace(a, box=union([a.box, b.box]), objects=a.objects + b.objects)
    if same_columns and below and a.width == b.width:
        return replace(together, height=a.height + b.height)
    if same_rows and beside and a.height == b.height:
        return replace(together, width=a.width + b.width)
    return None
