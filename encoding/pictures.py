"""Picture files to UINT8 tensors: decode within limits, turn upright, flatten, resize and crop."""

import io
import struct
import warnings
from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from contracts.errors import InvalidInput, PayloadTooLarge, UnsupportedMedia

FORMATS: tuple[str, ...] = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF")
MAX_PIXELS = 40_000_000

ResizeRule = Literal["shortest_edge_center_crop", "pad_square", "stretch"]
Interpolation = Literal["nearest", "bilinear", "bicubic", "lanczos", "box", "hamming"]
CropRounding = Literal["down", "nearest"]

# What Pillow raises on damaged files; its readers of TIFF and EXIF trip over values of unexpected types.
_DAMAGE = (OSError, SyntaxError, ValueError, EOFError, TypeError, LookupError, ArithmeticError, struct.error)

_PNG_MARK = b"\x89PNG\r\n\x1a\n"
# Compressed texts and the colour profile, none of which is used. Pillow unpacks them, and refuses a picture with a
# megabyte of them (PngImagePlugin.MAX_TEXT_CHUNK).
_PNG_NOTES = frozenset({b"zTXt", b"iTXt", b"iCCP"})

_TIFF_MARKS = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
# How pixels are turned for each value of the EXIF tag (Exif 2.32, 4.6.4.A); 1 is upright.
_ORIENTATION_TAG = 0x0112
_TURNS: Mapping[int, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# A crop to a square takes its middle; of longer strips the ends are left out before they are enlarged.
_LONGEST_ASPECT = 16

Image.MAX_IMAGE_PIXELS = None  # our own limit is checked before any pixel is decoded


def decode_picture(
    data: bytes, *, max_pixels: int = MAX_PIXELS, target_edge: int | None = None, page: int = 0
) -> Image.Image:
    """Decode a picture file to upright RGB over white; of an animation the first picture.

    Args:
        page: of a TIFF with several, from 0; `page_count` tells how many there are.
        target_edge: the caller needs no more than about this many pixels an edge: JPEGs are then decoded smaller.

    Raises:
        InvalidInput: no bytes, or bytes that cannot be decoded.
        UnsupportedMedia: a format that is not read.
        PayloadTooLarge: more than `max_pixels`.
    """
    if not data:
        raise InvalidInput("The picture is empty (0 bytes).")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(_without_notes(data)), formats=FORMATS)
            if page:
                image.seek(page)
            _refuse_large(image, max_pixels)
            if target_edge is not None:
                image.draft("RGB", (2 * target_edge, 2 * target_edge))
            image.load()
            return to_rgb(_upright(image))
    except UnidentifiedImageError as exc:
        raise UnsupportedMedia("The picture is not a PNG, JPEG, WebP, TIFF, BMP or GIF file.") from exc
    except _DAMAGE as exc:
        raise InvalidInput("The picture is damaged and cannot be decoded.") from exc


def page_count(data: bytes) -> int:
    """Pages of a TIFF; 1 for all other pictures, whose further frames are an animation.

    Raises:
        InvalidInput: its directory of pages cannot be read.
    """
    if data[:4] not in _TIFF_MARKS:
        return 1
    try:
        image = Image.open(io.BytesIO(data), formats=("TIFF",))
        return int(getattr(image, "n_frames", 1))
    except (UnidentifiedImageError, *_DAMAGE) as exc:
        raise InvalidInput("The picture is damaged and cannot be decoded.") from exc


def _without_notes(data: bytes) -> bytes:
    """A PNG without its compressed notes; all other files, and what cannot be parsed, as they are."""
    if not data.startswith(_PNG_MARK):
        return data
    kept, start, at = [], 0, len(_PNG_MARK)
    while at + 8 <= len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        if data[at + 4 : at + 8] in _PNG_NOTES:
            kept.append(data[start:at])
            start = end
        at = end
    return b"".join([*kept, data[start:]]) if kept else data


def _refuse_large(image: Image.Image, max_pixels: int) -> None:
    width, height = image.size
    if width * height > max_pixels:
        raise PayloadTooLarge(
            f"The picture has {width * height / 1e6:.1f} megapixels; at most {max_pixels / 1e6:.0f} are read."
        )


def _upright(image: Image.Image) -> Image.Image:
    """Turned as EXIF says. `ImageOps.exif_transpose` would write all of EXIF anew, and fail where that is odd."""
    try:
        turn = _TURNS.get(image.getexif().get(_ORIENTATION_TAG, 1))
    except _DAMAGE:
        turn = None
    return image if turn is None else image.transpose(turn)


def to_rgb(image: Image.Image) -> Image.Image:
    """RGB with 8 bits a channel: transparency over white, 16-bit grey scaled down, CMYK and palettes converted."""
    if image.mode in {"I;16", "I;16L", "I;16B", "I"}:
        wide = np.asarray(image, dtype=np.float32)
        image = Image.fromarray((wide / 257.0).clip(0, 255).astype(np.uint8))
    if image.mode == "F":
        image = _from_floats(image)
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    if image.mode in {"RGBA", "LA", "PA"}:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _from_floats(image: Image.Image) -> Image.Image:
    """Grey of 8 bits from floats, which are brightness from 0 to 1, or else from their least to their greatest."""
    floats = np.nan_to_num(np.asarray(image, dtype=np.float32), posinf=0.0, neginf=0.0)
    least, greatest = float(floats.min()), float(floats.max())
    if least >= 0.0 and greatest <= 1.0:
        least, greatest = 0.0, 1.0
    scaled = (floats - least) * (255.0 / max(greatest - least, 1e-6))
    return Image.fromarray(scaled.clip(0, 255).astype(np.uint8))


def to_tensor(
    image: Image.Image,
    size: int,
    rule: ResizeRule,
    *,
    interpolation: Interpolation = "bicubic",
    shortest_edge: int | None = None,
    crop_rounding: CropRounding = "down",
) -> NDArray[np.uint8]:
    """Pixels as a model takes them, UINT8 [size, size, 3].

    Args:
        rule: "shortest_edge_center_crop" as CLIP's own processor does, "pad_square" keeps everything on
            white, "stretch" ignores the aspect ratio.
        shortest_edge: what the shorter edge is resized to before the crop, at least `size`; `size` when absent.
        crop_rounding: where an odd margin is halved: transformers rounds the offset down, torchvision (and with it
            open_clip) to the nearest even number.
    """
    resample = Image.Resampling[interpolation.upper()]
    if rule == "stretch":
        fitted = image.resize((size, size), resample)
    elif rule == "pad_square":
        fitted = ImageOps.pad(image, (size, size), resample, color=(255, 255, 255))
    else:
        image = _without_far_ends(image)
        resized = image.resize(_by_shortest_edge(image.size, shortest_edge or size), resample)
        left = _crop_offset(resized.width - size, crop_rounding)
        top = _crop_offset(resized.height - size, crop_rounding)
        fitted = resized.crop((left, top, left + size, top + size))
    return np.asarray(fitted, dtype=np.uint8)


def _without_far_ends(image: Image.Image) -> Image.Image:
    """The middle of a long strip: one of 1 x 40,000 pixels would be enlarged to gigabytes for a square of it."""
    width, height = image.size
    left = max(0, width - _LONGEST_ASPECT * height) // 2
    top = max(0, height - _LONGEST_ASPECT * width) // 2
    return image.crop((left, top, width - left, height - top)) if left or top else image


def _by_shortest_edge(size: tuple[int, int], edge: int) -> tuple[int, int]:
    """The longer edge is rounded down, as in transformers' and torchvision's own resizing."""
    width, height = size
    if width <= height:
        return edge, int(edge * height / width)
    return int(edge * width / height), edge


def _crop_offset(margin: int, rounding: CropRounding) -> int:
    return margin // 2 if rounding == "down" else round(margin / 2)
