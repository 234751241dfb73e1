"""Real pictures and texts out of a folder, to calibrate int8 and to compare with PyTorch. No PyTorch."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from PIL import Image, ImageOps

from contracts.errors import InvalidInput, TriremeError
from encoding.pictures import decode_picture

SAMPLES = Path(__file__).resolve().parents[1] / "samples"
"""The demo's documents."""

PICTURE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif"})
TEXT_SUFFIXES = frozenset({".txt", ".md"})
SEED = 20261123

T = TypeVar("T")


def sample_pictures(folder: Path, most: int) -> list[Image.Image]:
    """Up to `most` pictures anywhere under the folder, the same ones every time.

    Raises:
        InvalidInput: there is no readable picture.
    """
    files = _files(folder, PICTURE_SUFFIXES)
    pictures: list[Image.Image] = []
    for path in files:
        if len(pictures) == most:
            break
        try:
            pictures.append(decode_picture(path.read_bytes()))
        except TriremeError:
            continue
    if not pictures:
        raise InvalidInput(f"There is no readable picture under '{folder}' to calibrate and compare with.")
    return pictures


def sample_texts(folder: Path, most: int) -> list[str]:
    """Up to `most` texts of mixed length (questions' length to a paragraph's), the same ones every time.

    Raises:
        InvalidInput: there is no text.
    """
    texts: list[str] = []
    for path in _files(folder, TEXT_SUFFIXES):
        words = re.sub(r"[#*|_>`\[\]-]+", " ", path.read_text(encoding="utf-8", errors="replace")).split()
        start, rng = 0, random.Random(f"{SEED}:{path.name}")
        while start < len(words):
            length = rng.choice((1, 3, 6, 10, 20, 40, 80, 160))
            texts.append(" ".join(words[start : start + length]))
            start += length
    if not texts:
        raise InvalidInput(
            f"There is no .txt or .md file with words under '{folder}' to calibrate and compare with."
        )
    random.Random(SEED).shuffle(texts)
    return texts[:most]


def with_crops(pictures: Sequence[Image.Image], least: int) -> list[Image.Image]:
    """The pictures, and, where they are fewer than `least`, random crops of them, every second one mirrored."""
    rng, made = random.Random(SEED), list(pictures)
    while len(made) < least:
        picture = pictures[len(made) % len(pictures)]
        share = rng.uniform(0.4, 1.0)
        width, height = (max(1, int(edge * share)) for edge in picture.size)
        left, top = rng.randint(0, picture.width - width), rng.randint(0, picture.height - height)
        crop = picture.crop((left, top, left + width, top + height))
        made.append(ImageOps.mirror(crop) if len(made) % 2 else crop)
    return made


def split(items: Sequence[T]) -> tuple[list[T], list[T]]:
    """Every second item; a single one serves both."""
    return (list(items[0::2]), list(items[1::2])) if len(items) > 1 else (list(items), list(items))


def _files(folder: Path, suffixes: frozenset[str]) -> list[Path]:
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in suffixes and path.is_file())
    random.Random(SEED).shuffle(found)
    return found
