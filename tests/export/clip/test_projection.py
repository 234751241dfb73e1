"""The map that makes both towers narrower, on vectors whose structure is known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from contracts.errors import InvalidInput
from export.clip.projection import check_projection, cross_recall, fit_projection
from export.text_encoder.parity import ParityError

Rows = NDArray[np.float32]


def towers(pairs: int, width: int, inner: int, noise: float = 0.05) -> tuple[Rows, Rows]:
    """Unit vectors of pairs that agree within `inner` directions, each tower far off in a direction of its own."""
    rng = np.random.default_rng(5)
    meaning = rng.standard_normal((pairs, inner)) @ np.linalg.qr(rng.standard_normal((width, inner)))[0].T
    made = []
    for _ in range(2):
        rows = meaning + 6 * rng.standard_normal(width) + noise * rng.standard_normal((pairs, width))
        made.append((rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32))
    return made[0], made[1]


def test_what_lies_in_few_directions_survives_in_few_dimensions() -> None:
    pictures, texts = towers(400, 64, 12)
    projection, kept = fit_projection(pictures, texts, 16)
    np.testing.assert_allclose(projection @ projection.T, np.eye(16), atol=1e-5)
    figures = check_projection(projection, pictures, texts, np.arange(400), kept)
    assert figures.recall_before > 0.95
    assert abs(figures.loss) <= 0.01
    assert kept > 0.9


def test_too_few_dimensions_are_refused_with_the_recall_they_would_cost() -> None:
    pictures, texts = towers(400, 64, 12)
    projection, kept = fit_projection(pictures, texts, 2)
    with pytest.raises(ParityError, match=r"recall@10 falls from 1\.000 to 0\.\d+"):
        check_projection(projection, pictures, texts, np.arange(400), kept)


def test_fewer_vectors_than_dimensions_fit_nothing() -> None:
    pictures, texts = towers(20, 64, 12)
    with pytest.raises(InvalidInput, match="too few"):
        fit_projection(pictures, texts, 32)
    with pytest.raises(InvalidInput, match="not smaller"):
        fit_projection(pictures, texts, 64)


def test_recall_counts_pictures_of_one_subject_as_equal() -> None:
    rng = np.random.default_rng(9)
    subjects = np.repeat(np.arange(30), 4)
    words = rng.standard_normal((30, 32)).astype(np.float32)[subjects]
    assert cross_recall(words, words, subjects) == 1.0
    shuffled = words[rng.permutation(120)]
    assert cross_recall(shuffled, words, subjects) < 0.7
