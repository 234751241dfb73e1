"""Picture files to UINT8 tensors: decode within limits, turn upright, flatten, resize and crop."""

import io
import warnings
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from contracts.errors import InvalidInput, PayloadTooLarge, UnsupportedMedia

FORMATS: tuple[str, ...] = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF")
MAX_PIXELS = 40_000_000

ResizeRule = Literal["shortest_edge_center_crop", "pad_square", "stretch"]

Image.MAX_IMAGE_PIXELS = None  # our own limit is checked before any pixel is decoded


def decode_picture(data: bytes, *, max_pixels: int = MAX_PIXELS, target_edge: int | None = None) -> Image.Image:
    """Decode a picture file to upright RGB over white.

    Args:
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
            image = Image.open(io.BytesIO(data), formats=FORMATS)
            _refuse_large(image, max_pixels)
            if target_edge is not None:
                image.draft("RGB", (2 * target_edge, 2 * target_edge))
            image.load()
            return to_rgb(ImageOps.exif_transpose(image))
    except UnidentifiedImageError as exc:
        raise UnsupportedMedia("The picture is not a PNG, JPEG, WebP, TIFF, BMP or GIF file.") from exc
    except (OSError, SyntaxError, ValueError, EOFError) as exc:
        raise InvalidInput("The picture is damaged and cannot be decoded.") from exc


def _refuse_large(image: Image.Image, max_pixels: int) -> None:
    width, height = image.size
    if width * height > max_pixels:
        raise PayloadTooLarge(
            f"The picture has {width * height / 1e6:.1f} megapixels; at most {max_pixels / 1e6:.0f} are read."
        )


def to_rgb(image: Image.Image) -> Image.Image:
    """RGB with 8 bits a channel: transparency over white, 16-bit grey scaled down, CMYK and palettes converted."""
    if image.mode in {"I;16", "I;16L", "I;16B", "I"}:
        wide = np.asarray(image, dtype=np.float32)
        image = Image.fromarray((wide / 257.0).clip(0, 255).astype(np.uint8))
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    if image.mode in {"RGBA", "LA", "PA"}:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def to_tensor(image: Image.Image, size: int, rule: ResizeRule) -> NDArray[np.uint8]:
    """Pixels as a model takes them, UINT8 [size, size, 3].

    Args:
        rule: "shortest_edge_center_crop" as CLIP's own processor does, "pad_square" keeps everything on
            white, "stretch" ignores the aspect ratio.
    """
    width, height = image.size
    if rule == "stretch":
        fitted = image.resize((size, size), Image.Resampling.BICUBIC)
    elif rule == "pad_square":
        fitted = ImageOps.pad(image, (size, size), Image.Resampling.BICUBIC, color=(255, 255, 255))
    else:
        scale = size / min(width, height)
        resized = image.resize(
            (max(size, round(width * scale)), max(size, round(height * scale))), Image.Resampling.BICUBIC
        )
        left, top = (resized.width - size) // 2, (resized.height - size) // 2
        fitted = resized.crop((left, top, left + size, top + size))
    return np.asarray(fitted, dtype=np.uint8)
