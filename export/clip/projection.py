"""One linear map that makes both of CLIP's towers narrower, and what it costs in recall.

Fitted on the centred vectors of both towers together (their directions of largest variance): the mean of a tower
is what all of its vectors share, and a map fitted with it would spend a dimension on the gap between the towers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from contracts.errors import InvalidInput
from export.parity import Vectors
from export.text_encoder.parity import ParityError

MAX_RECALL_LOSS = 0.01
"""Cross-modal recall@10 may fall by one point: what a reader of the results does not see."""

NEIGHBOURS = 10


@dataclass(frozen=True, slots=True)
class ProjectionFigures:
    """Cross-modal recall@10, mean of both directions, over held-out pairs."""

    pairs: int
    recall_before: float
    recall_after: float
    kept_variance: float

    @property
    def loss(self) -> float:
        return self.recall_before - self.recall_after


def fit_projection(pictures: Vectors, texts: Vectors, dim: int) -> tuple[Vectors, float]:
    """The map [dim, width] with orthonormal rows, and the share of variance that it keeps.

    Raises:
        InvalidInput: `dim` is not smaller than the width, or there are fewer vectors than dimensions to fit.
    """
    width = pictures.shape[1]
    if not 0 < dim < width:
        raise InvalidInput(f"--dim {dim} is not smaller than the checkpoint's {width} dimensions.")
    if len(pictures) + len(texts) < 2 * dim:
        raise InvalidInput(
            f"{len(pictures)} pictures and {len(texts)} texts are too few to fit {dim} dimensions: give a folder "
            "with more of them by --samples or --pairs."
        )
    # The towers weigh alike, however many texts there are.
    centred = [(rows - rows.mean(axis=0)) / np.sqrt(len(rows)) for rows in (pictures, texts)]
    _, values, directions = np.linalg.svd(np.concatenate(centred).astype(np.float64), full_matrices=True)
    variance = values**2
    kept = float(variance[:dim].sum() / variance.sum())
    return directions[:dim].astype(np.float32), round(kept, 5)


def check_projection(
    projection: Vectors, pictures: Vectors, texts: Vectors, subjects: npt.NDArray[np.int64], kept: float
) -> ProjectionFigures:
    """Recall before and after on held-out pairs; pictures and texts [n, width], pair i shows `subjects[i]`.

    Raises:
        ParityError: the loss is above `MAX_RECALL_LOSS`.
    """
    narrow = [rows @ projection.T for rows in (pictures, texts)]
    figures = ProjectionFigures(
        pairs=len(subjects),
        recall_before=round(cross_recall(pictures, texts, subjects), 4),
        recall_after=round(cross_recall(narrow[0], narrow[1], subjects), 4),
        kept_variance=kept,
    )
    if figures.loss > MAX_RECALL_LOSS:
        raise ParityError(
            f"Projected to {len(projection)} dimensions, cross-modal recall@{NEIGHBOURS} falls from "
            f"{figures.recall_before:.3f} to {figures.recall_after:.3f} over {figures.pairs} pairs, more than "
            f"{MAX_RECALL_LOSS:.2f}. Nothing was written; a larger --dim, or none, keeps more."
        )
    return figures


def cross_recall(
    pictures: Vectors, texts: Vectors, subjects: npt.NDArray[np.int64], *, centring: bool = True
) -> float:
    """How often a picture finds a text of its subject among the nearest ten, and the other way round; their mean.

    Texts of one subject are the same words, and stand in the ranking once.

    Args:
        centring: take each tower's mean over these rows off first; unit vectors are ranked as they are otherwise.
    """
    first = np.unique(subjects, return_index=True)[1]
    unit_pictures, unit_texts = (_centred_units(rows) if centring else rows for rows in (pictures, texts))
    scores = unit_texts[first] @ unit_pictures.T
    to_pictures = _found(scores, subjects[first], subjects)
    to_texts = _found(scores.T, subjects, subjects[first])
    return (to_pictures + to_texts) / 2


def _found(scores: Vectors, wanted: npt.NDArray[np.int64], subjects: npt.NDArray[np.int64]) -> float:
    nearest = np.argsort(-scores, axis=1, kind="stable")[:, :NEIGHBOURS]
    return float((subjects[nearest] == wanted[:, None]).any(axis=1).mean())


def _centred_units(rows: Vectors) -> Vectors:
    centred = rows - rows.mean(axis=0)
    units: Vectors = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12)
    return units
