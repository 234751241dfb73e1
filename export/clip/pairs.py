"""Pictures with captions, to fit a projection and to see what it costs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from encoding.pictures import decode_picture
from export.demo_clip.heldout import read_heldout
from export.distil.source import read_folder


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pair i is a picture, its caption, and a number that pairs with the same caption share."""

    pictures: Sequence[Image.Image]
    captions: Sequence[str]
    subjects: NDArray[np.int64]

    def where(self, keep: Callable[[str], bool]) -> Pairs:
        """The pairs whose captions are wanted."""
        rows = [row for row, caption in enumerate(self.captions) if keep(caption)]
        return Pairs(
            [self.pictures[row] for row in rows], [self.captions[row] for row in rows], self.subjects[rows]
        )

    def part(self, which: int) -> Pairs:
        """Every second pair, from pair `which` on."""
        return Pairs(self.pictures[which::2], self.captions[which::2], self.subjects[which::2])


def read_pairs(folder: Path | None) -> Pairs:
    """The captioned pictures of a folder, see `export.distil.source.read_folder`; else the demo's held-out ones.

    Raises:
        NotFound: there is none. BadMessage, InvalidInput: a file of it cannot be read.
    """
    if folder is None:
        pack = read_heldout()
        captions = [f"a picture of {pack.names[subject]}" for subject in pack.subject_of]
        return _numbered([Image.fromarray(pixels) for pixels in pack.pictures], captions)
    found = read_folder(folder)
    return _numbered([decode_picture(file.path.read_bytes()) for file in found], [file.caption for file in found])


def _numbered(pictures: Sequence[Image.Image], captions: Sequence[str]) -> Pairs:
    numbers = {caption: number for number, caption in enumerate(dict.fromkeys(captions))}
    return Pairs(pictures, captions, np.array([numbers[caption] for caption in captions], np.int64))
