"""What centring does to a space, on inputs that the means were not taken of. Pure.

An absent half of a joint vector is zeros, so a space should give 0 to what is unrelated: then an absent half
neither helps nor hurts. Encoders do not: vectors of one tower often lie in a narrow cone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from contracts.space import TOWERS, Tower
from export.clip.projection import cross_recall

Vectors = npt.NDArray[np.float32]

UNRELATED_COSINE = 0.1
"""Mean cosine of unrelated inputs above which a tower is worth centring: chance gives 0.05 in 384 numbers."""
MAX_RECALL_LOSS = 0.01
"""What centring may cost in cross-modal recall@10: one point, as a projection may (export/clip/projection.py)."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Unit vectors [n, dim] of a tower over real inputs: one half to fit means on, one to judge them by."""

    fitted: Vectors
    unseen: Vectors

    def __len__(self) -> int:
        return len(self.fitted) + len(self.unseen)

    @property
    def mean(self) -> Vectors:
        """Mean of all of them, [dim]."""
        return _mean(np.concatenate([self.fitted, self.unseen]))


@dataclass(frozen=True, slots=True)
class UnseenPairs:
    """Pictures and their captions by the CLIP towers, [n, dim]; pairs of the same words share a subject."""

    pictures: Vectors
    captions: Vectors
    subjects: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class BeforeAndAfter:
    """A figure without and with centring."""

    plain: float
    centred: float


@dataclass(frozen=True, slots=True)
class Centring:
    """Whether a space centres, and the figures that say why.

    Args:
        unrelated: mean cosine of two unrelated inputs by tower, over the unseen half.
        recall: cross-modal recall@10 over unseen pairs; None where there were none.
        reason: a sentence.
    """

    centred: bool
    reason: str
    unrelated: Mapping[Tower, BeforeAndAfter]
    recall: BeforeAndAfter | None


def judge(samples: Mapping[Tower, Sample], pairs: UnseenPairs | None, asked: bool | None) -> Centring:
    """Measure, and decide unless it was `asked` for."""
    means = {tower: _mean(samples[tower].fitted) for tower in TOWERS}
    unrelated = {tower: _unrelated(samples[tower].unseen, means[tower]) for tower in TOWERS}
    recall = None if pairs is None else _recall(pairs, means)
    centred, reason = _decide(unrelated, recall) if asked is None else (asked, "as asked for")
    return Centring(centred, reason, unrelated, recall)


def _decide(unrelated: Mapping[Tower, BeforeAndAfter], recall: BeforeAndAfter | None) -> tuple[bool, str]:
    tower, worst = max(unrelated.items(), key=lambda item: item[1].plain)
    if worst.plain <= UNRELATED_COSINE:
        return False, f"unrelated inputs have a cosine of {worst.plain:.2f} at most: there is nothing to centre"
    if recall is not None and recall.plain - recall.centred > MAX_RECALL_LOSS:
        return False, f"centring costs recall@10: {recall.plain:.3f} without, {recall.centred:.3f} with it"
    return (
        True,
        f"unrelated inputs of the tower '{tower}' have a cosine of {worst.plain:.2f}, centred {worst.centred:.2f}",
    )


def centre(rows: Vectors, mean: Vectors) -> Vectors:
    """Unit vectors with the mean taken off; zeros where nothing is left. [n, dim]."""
    moved = rows - mean
    units: Vectors = moved / np.maximum(np.linalg.norm(moved, axis=1, keepdims=True), 1e-12)
    return units


def _unrelated(rows: Vectors, mean: Vectors) -> BeforeAndAfter:
    return BeforeAndAfter(mean_cosine(rows), mean_cosine(centre(rows, mean)))


def mean_cosine(units: Vectors) -> float:
    """Mean cosine of two different rows; `units` [n, dim] have length 1, n is 2 at least."""
    count = len(units)
    total = float(np.linalg.norm(units.astype(np.float64).sum(axis=0)) ** 2)
    return round((total - count) / (count * (count - 1)), 4)


def _recall(pairs: UnseenPairs, means: Mapping[Tower, Vectors]) -> BeforeAndAfter:
    pictures, captions = centre(pairs.pictures, means["clip_image"]), centre(pairs.captions, means["clip_text"])
    return BeforeAndAfter(
        round(cross_recall(pairs.pictures, pairs.captions, pairs.subjects, centring=False), 4),
        round(cross_recall(pictures, captions, pairs.subjects, centring=False), 4),
    )


def _mean(rows: Vectors) -> Vectors:
    mean: Vectors = rows.astype(np.float64).mean(axis=0).astype(np.float32)
    return mean
