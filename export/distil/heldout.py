"""Held-out sets: the demo CLIP's checked-in packs, and that of a folder of captioned pictures. No PyTorch."""

import json
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps

from export.demo_clip import config
from export.demo_clip.heldout import read_heldout, read_sheet
from export.distil.measure import HeldOutSet
from export.distil.source import PictureSource

KEPT_SHARE = 0.85
"""Edge of an altered picture's crop, of the picture's own edge."""


def demo_held_out() -> HeldOutSet:
    """The pack of the demo CLIP, and fresh pictures of some of its subjects to ask with."""
    heldout = read_heldout()
    numbers = json.loads(config.QUERY_NAMES.read_text(encoding="utf-8"))["subject_of"]
    return HeldOutSet(
        texts=heldout.queries,
        text_subjects=np.arange(len(heldout.queries)),
        pictures=heldout.pictures,
        picture_subjects=heldout.subject_of,
        queries=read_sheet(config.QUERY_PICTURES, len(numbers)),
        query_subjects=np.asarray(numbers, np.int64),
    )


def folder_held_out(
    source: PictureSource, embed_captions: Callable[[Sequence[str]], NDArray[np.float32]]
) -> HeldOutSet:
    """Pictures kept from training; they are asked for by their captions, and by altered copies of themselves."""
    items = [source.picture(index) for index in range(len(source))]
    pictures = np.stack([pixels for pixels, _ in items])
    text_subjects = np.asarray(source.subjects, np.int64)
    subjects = text_subjects[[caption for _, caption in items]]
    return HeldOutSet(
        texts=embed_captions(source.captions),
        text_subjects=text_subjects,
        pictures=pictures,
        picture_subjects=subjects,
        queries=np.stack([altered(pixels) for pixels in pictures]),
        query_subjects=subjects,
    )


def altered(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture as someone else might have it: mirrored, its margins cut off, darker. UINT8 [S, S, 3]."""
    size = pixels.shape[0]
    margin = size * (1 - KEPT_SHARE) / 2
    image = ImageOps.mirror(Image.fromarray(pixels))
    image = image.resize(
        (size, size), Image.Resampling.BICUBIC, box=(margin, margin, size - margin, size - margin)
    )
    return np.asarray(ImageEnhance.Brightness(image).enhance(0.85))
