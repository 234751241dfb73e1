"""The stream of training pictures. Picture number i is a function of (seed, i), so training resumes anywhere."""

import io
import random
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from export.demo_clip.subjects import Subject

Pixels = NDArray[np.uint8]


def render(subject: Subject, rng: random.Random, size: int) -> Image.Image:
    """The subject drawn at about twice `size` and brought down to it, as a document's picture is."""
    return subject.draw(rng, size * 2).resize((size, size), Image.Resampling.BICUBIC)


def _augmented(picture: Image.Image, rng: random.Random, size: int) -> Image.Image:
    width, height = picture.size
    if rng.random() < 0.7:
        w, h = width * rng.uniform(0.78, 1.0), height * rng.uniform(0.78, 1.0)
        x, y = rng.uniform(0, width - w), rng.uniform(0, height - h)
        box: tuple[float, float, float, float] | None = (x, y, x + w, y + h)
    else:
        box = None
    filters = (Image.Resampling.BICUBIC, Image.Resampling.BILINEAR, Image.Resampling.LANCZOS)
    picture = picture.resize((size, size), rng.choice(filters), box=box)
    if rng.random() < 0.25:
        encoded = io.BytesIO()
        picture.save(encoded, "JPEG", quality=rng.randint(40, 90))
        picture = Image.open(encoded).convert("RGB")
    if rng.random() < 0.04:
        picture = picture.convert("L").convert("RGB")
    return picture


class PictureStream:
    """Item i: (UINT8 picture [S, S, 3], number of its subject, number of the caption drawn for it).

    What `torch.utils.data` calls a map-style data set.
    """

    def __init__(
        self, subjects: Sequence[Subject], seed: int, n: int, small_until: int, sizes: tuple[int, int]
    ) -> None:
        self._subjects = subjects
        self._seed = seed
        self._n = n
        self._small_until = small_until
        self._sizes = sizes
        self._cumulative = np.cumsum([subject.weight for subject in subjects]).tolist()

    def __len__(self) -> int:
        return self._n

    def __getitem__(self, index: int) -> tuple[Tensor, int, int]:
        rng = random.Random(f"train:{self._seed}:{index}")
        size = self._sizes[0] if index < self._small_until else self._sizes[1]
        number = rng.choices(range(len(self._subjects)), cum_weights=self._cumulative)[0]
        subject = self._subjects[number]
        side = rng.choice((128, 160, 192)) if subject.weight > 1 else 128
        picture = _augmented(subject.draw(rng, side), rng, size)
        return torch.from_numpy(np.array(picture)), number, rng.randrange(len(subject.captions))
