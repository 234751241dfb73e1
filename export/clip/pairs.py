"""Pictures with captions, to fit a projection and to see what it costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from contracts.errors import InvalidInput
from encoding.pictures import decode_picture
from export.demo_clip.heldout import read_heldout
from export.sample_inputs import PICTURE_SUFFIXES


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pair i is a picture, its caption, and a number that pairs with the same caption share."""

    pictures: Sequence[Image.Image]
    captions: Sequence[str]
    subjects: NDArray[np.int64]

    def part(self, which: int) -> Pairs:
        """Every second pair, from pair `which` on."""
        return Pairs(self.pictures[which::2], self.captions[which::2], self.subjects[which::2])


def read_pairs(folder: Path | None) -> Pairs:
    """Pictures of a folder, each with its caption in a `.txt` of the same name; else the demo's held-out ones.

    Raises:
        InvalidInput: there is no such pair.
    """
    if folder is None:
        pack = read_heldout()
        captions = [f"a picture of {pack.names[subject]}" for subject in pack.subject_of]
        return _numbered([Image.fromarray(pixels) for pixels in pack.pictures], captions)
    found = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in PICTURE_SUFFIXES and path.with_suffix(".txt").is_file()
    )
    if not found:
        raise InvalidInput(f"There is no picture with a caption (NAME.png and NAME.txt) under '{folder}'.")
    pictures = [decode_picture(path.read_bytes()) for path in found]
    return _numbered(pictures, [path.with_suffix(".txt").read_text(encoding="utf-8").strip() for path in found])


def _numbered(pictures: Sequence[Image.Image], captions: Sequence[str]) -> Pairs:
    numbers = {caption: number for number, caption in enumerate(dict.fromkeys(captions))}
    return Pairs(pictures, captions, np.array([numbers[caption] for caption in captions], np.int64))
