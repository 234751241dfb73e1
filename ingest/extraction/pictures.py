"""One picture as it leaves extraction: decoded within limits, reduced, encoded anew, with its thumbnail.

Encoding anew drops whatever else a file carries: EXIF with places, colour profiles, trailing bytes.
"""

import io
import struct
from typing import Literal

from PIL import Image, ImageStat

from contracts.documents import Box
from contracts.errors import DocumentFailed, InvalidInput, PayloadTooLarge
from encoding.pictures import decode_picture
from ingest.extraction.types import ExtractedPicture, PictureMediaType

MAX_EDGE = 2048
THUMBNAIL_EDGE = 256
# Smaller ones are bullets, icons and lines.
SMALLEST_EDGE = 32
# Longer ones (edge to edge) are rules and ornaments.
_STEEPEST_ASPECT = 20.0
# Standard deviation of the brightness (0-255) below which there is nothing to see.
_FLAT_DEVIATION = 2.0
# Diagrams have few colours: they stay exact, and are smaller so.
_FEW_COLOURS = 64


def open_picture(data: bytes, max_pixels: int, *, page: int = 0) -> Image.Image:
    """Decode a picture file, or one page of a TIFF, to upright RGB.

    Raises:
        DocumentFailed: cause "empty", "too_many_pixels" or "corrupt".
    """
    if not data:
        raise DocumentFailed("empty", "The file is empty.")
    try:
        return decode_picture(data, max_pixels=max_pixels, page=page)
    except PayloadTooLarge as exc:
        raise DocumentFailed("too_many_pixels", exc.message) from exc
    except (InvalidInput, struct.error) as exc:
        raise DocumentFailed("corrupt", "The picture is damaged and cannot be decoded.") from exc


def is_decoration(width: int, height: int) -> bool:
    """Whether a picture of this size is too small or too thin to show anything."""
    short, long = sorted((width, height))
    return short < SMALLEST_EDGE or long > _STEEPEST_ASPECT * short


def is_flat(image: Image.Image) -> bool:
    """Whether a picture has one colour only: a background, a blank page."""
    small = image.convert("L")
    small.thumbnail((512, 512))
    return ImageStat.Stat(small).stddev[0] < _FLAT_DEVIATION


def finished(
    image: Image.Image,
    *,
    ordinal: int,
    page: int | None = None,
    box: Box | None = None,
    anchor: int | None = None,
    caption: str | None = None,
) -> ExtractedPicture:
    """A picture with its bytes and its thumbnail; `image` is RGB."""
    if max(image.size) > MAX_EDGE:
        image = image.copy()
        image.thumbnail((MAX_EDGE, MAX_EDGE), Image.Resampling.LANCZOS)
    thumbnail = image.copy()
    thumbnail.thumbnail((THUMBNAIL_EDGE, THUMBNAIL_EDGE), Image.Resampling.LANCZOS)
    data, media_type = _encoded(image)
    return ExtractedPicture(
        ordinal=ordinal,
        page=page,
        box=box,
        anchor=anchor,
        caption=caption,
        width=image.width,
        height=image.height,
        data=data,
        media_type=media_type,
        thumbnail=_saved(thumbnail, "WEBP", quality=80),
    )


def _encoded(image: Image.Image) -> tuple[bytes, PictureMediaType]:
    if image.getcolors(_FEW_COLOURS) is not None:
        return _saved(image, "PNG"), "image/png"
    return _saved(image, "JPEG", quality=90), "image/jpeg"


def _saved(image: Image.Image, kind: Literal["PNG", "JPEG", "WEBP"], **options: int) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()
