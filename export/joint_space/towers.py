"""Runs the three towers of a space-to-be over real inputs, as callers will: tokenised, resized, prefixed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from contracts.errors import InvalidInput, NotFound, SpaceMismatch
from contracts.space import Tower
from export.clip.pairs import Pairs, read_pairs
from export.distil.towers import CaptionTower, PictureTeacher
from export.joint_space.measure import Sample, UnseenPairs, Vectors
from export.request import Progress
from export.sample_inputs import sample_pictures, sample_texts, split

MAX_PICTURES = 256
MAX_TEXTS = 512
LEAST_INPUTS = 16
"""Fewer than these say nothing of a mean: each half has eight."""
LEAST_PAIRS = 40
"""Recall@10 of twenty pairs is the first that can be low."""
THREADS = 2


@dataclass(frozen=True, slots=True)
class Towers:
    """The exported models that a space is made of."""

    text: CaptionTower
    clip_text: CaptionTower
    clip_image: PictureTeacher

    @property
    def text_dim(self) -> int:
        return self.text.manifest.dim

    @property
    def image_dim(self) -> int:
        return self.clip_image.manifest.dim


def open_towers(repository: Path, text: str, clip: str) -> Towers:
    """Open `text`, and the `_text` and `_image` of `clip`.

    Raises:
        NotFound: one is not exported. SpaceMismatch: CLIP's towers differ in width.
    """
    for name in (text, f"{clip}_text", f"{clip}_image"):
        if not (repository / name / "manifest.json").is_file():
            raise NotFound(f"There is no exported model '{name}' in '{repository.name}'.")
    towers = Towers(
        CaptionTower(repository, text, THREADS),
        CaptionTower(repository, f"{clip}_text", THREADS),
        PictureTeacher(repository, f"{clip}_image", THREADS),
    )
    if towers.clip_text.manifest.dim != towers.image_dim:
        raise SpaceMismatch(
            f"'{clip}_text' gives vectors of {towers.clip_text.manifest.dim} numbers, '{clip}_image' of "
            f"{towers.image_dim}: words and pictures would not meet."
        )
    return towers


def measure(
    towers: Towers, samples: Path, pairs_folder: Path | None, progress: Progress
) -> tuple[dict[Tower, Sample], UnseenPairs | None]:
    """Vectors of every tower over the samples, and over the pairs where there are some.

    CLIP's words are the captions of the pairs; where there are none, texts of the samples.

    Raises:
        InvalidInput, NotFound: too few samples or pairs.
    """
    pairs = read_pairs(pairs_folder).where(towers.clip_text.fits) if pairs_folder else None
    if pairs is not None and len(pairs.pictures) < LEAST_PAIRS:
        raise InvalidInput(
            f"{len(pairs.pictures)} captioned pictures are too few to judge by: at least {LEAST_PAIRS}."
        )
    texts = sample_texts(samples, MAX_TEXTS)
    prefixed = [towers.text.manifest.passage_prefix + text for text in texts]
    passages = [text for text in prefixed if towers.text.fits(text)]
    progress(f"Running the text encoder over {len(passages)} texts")
    of_text = _halves("texts", *(towers.text.embed(part) for part in split(passages)))
    words = split([text for text in texts if towers.clip_text.fits(text)]) if pairs is None else _captions(pairs)
    progress(f"Running CLIP's text tower over {sum(map(len, words))} texts")
    of_words = _halves("texts", *(towers.clip_text.embed(part) for part in words))
    pictures = _pictures(samples, pairs)
    progress(f"Running CLIP's image tower over {sum(map(len, pictures))} pictures")
    of_pictures = _halves("pictures", *(_embed_pictures(towers, part) for part in pictures))
    found: dict[Tower, Sample] = {"text": of_text, "clip_text": of_words, "clip_image": of_pictures}
    if pairs is None:
        return found, None
    unseen = pairs.part(1)
    # The pairs' pictures and captions come last in both halves.
    shown = of_pictures.unseen[-len(unseen.pictures) :]
    return found, UnseenPairs(shown, of_words.unseen, unseen.subjects)


def _captions(pairs: Pairs) -> tuple[list[str], list[str]]:
    return list(pairs.part(0).captions), list(pairs.part(1).captions)


def _pictures(samples: Path, pairs: Pairs | None) -> tuple[list[Image.Image], list[Image.Image]]:
    try:
        fitted, unseen = split(sample_pictures(samples, MAX_PICTURES))
    except InvalidInput:
        if pairs is None:
            raise
        fitted, unseen = [], []
    if pairs is not None:
        fitted, unseen = [*fitted, *pairs.part(0).pictures], [*unseen, *pairs.part(1).pictures]
    return fitted, unseen


def _embed_pictures(towers: Towers, pictures: Sequence[Image.Image]) -> Vectors:
    prepare = towers.clip_image.manifest.prepare
    return towers.clip_image.embed(np.stack([prepare(picture) for picture in pictures]))


def _halves(kind: str, fitted: Vectors, unseen: Vectors) -> Sample:
    if len(fitted) + len(unseen) < LEAST_INPUTS:
        raise InvalidInput(
            f"{len(fitted) + len(unseen)} {kind} are too few to measure a mean: give a folder with at least "
            f"{LEAST_INPUTS} by --samples; some hundreds like your own are better."
        )
    return Sample(fitted, unseen)
