"""Pictures of pages: what may be asked for, and what the process that draws them is told and answers. Pure."""

import msgspec

from contracts.documents import Box
from contracts.media import PDF, PICTURES

DRAWABLE = frozenset({PDF}) | PICTURES
NARROWEST, WIDEST, USUAL_WIDTH = 64, 2000, 1000
# A page 2,000 pixels wide and half as high again; one that is taller for its width is drawn narrower.
MAX_PIXELS = 6_000_000
MEMORY_BYTES = 1024**3


class PageWanted(msgspec.Struct, frozen=True, kw_only=True):
    """One page of a document.

    Args:
        content_type: one of `DRAWABLE`.
        page: from 1.
        width: of the picture in pixels; a picture document that is narrower stays as it is.
        quote: words to look for on the page.
        max_pixels: of the picture; memory_bytes: address space of the drawing process.
    """

    content_type: str
    page: int
    width: int
    data: bytes
    quote: str | None = None
    max_pixels: int = MAX_PIXELS
    memory_bytes: int = MEMORY_BYTES


class PageImage(msgspec.Struct, frozen=True, tag=True):
    """A page as a PNG file, of how many it is one, and where the words of the quote stand."""

    png: bytes
    n_pages: int
    marks: tuple[Box, ...] = ()


class NoSuchPage(msgspec.Struct, frozen=True, tag=True):
    """The document ends before that page."""

    n_pages: int


class PageFailed(msgspec.Struct, frozen=True, tag=True):
    """The document cannot be drawn; as in `contracts.errors.DocumentFailed`."""

    cause: str
    reason: str


PageReply = PageImage | NoSuchPage | PageFailed
