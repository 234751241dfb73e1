"""Whether a space centres, on vectors whose structure is known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from contracts.space import TOWERS, Tower
from export.joint_space.measure import Sample, UnseenPairs, judge, mean_cosine

Rows = NDArray[np.float32]
DIM = 64


def units(rows: NDArray[np.float64]) -> Rows:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def sample(seed: int, cone: float) -> Sample:
    """Random directions around one direction; `cone` says how much of that each vector has."""
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((400, DIM)) + cone * rng.standard_normal(DIM)
    return Sample(units(rows[:200]), units(rows[200:]))


def samples(cone: float) -> dict[Tower, Sample]:
    return {tower: sample(seed, cone) for seed, tower in enumerate(TOWERS)}


def pairs(of: dict[Tower, Sample]) -> UnseenPairs:
    """Captions that lie beside their pictures, in the cone of their own tower."""
    pictures = of["clip_image"].unseen
    captions = pictures + 0.05 * np.random.default_rng(9).standard_normal(pictures.shape)
    return UnseenPairs(pictures, units(captions), np.arange(len(pictures)))


def test_the_mean_cosine_is_that_of_all_pairs_of_different_rows() -> None:
    rows = sample(4, cone=1.0).fitted[:20]
    every = [float(rows[i] @ rows[j]) for i in range(20) for j in range(20) if i != j]
    assert mean_cosine(rows) == pytest.approx(np.mean(every), abs=1e-4)


def test_vectors_in_a_narrow_cone_are_centred_and_unrelated_ones_then_score_nothing() -> None:
    found = judge(samples(cone=1.0), None, None)
    assert found.centred
    for figures in found.unrelated.values():
        assert figures.plain > 0.3
        # The mean was taken of the other half: this is no matter of course.
        assert abs(figures.centred) < 0.02


def test_vectors_in_all_directions_are_left_as_they_are() -> None:
    found = judge(samples(cone=0.0), None, None)
    assert not found.centred
    assert "nothing to centre" in found.reason


def test_centring_that_keeps_recall_is_taken_and_the_figures_are_told() -> None:
    of = samples(cone=1.0)
    found = judge(of, pairs(of), None)
    assert found.centred
    assert found.recall is not None
    assert found.recall.plain > 0.95


def test_centring_that_costs_recall_is_not_taken() -> None:
    rng = np.random.default_rng(5)
    seen, other = (units(rng.standard_normal((200, 3))) for _ in range(2))
    one_caption = np.tile(np.float32([1, 0, 0]), (200, 1))
    # The mean over captions that are all the same is a caption, and no property of the tower.
    of = samples(cone=1.0) | {"clip_image": Sample(other, seen), "clip_text": Sample(one_caption, seen)}
    found = judge(of, UnseenPairs(seen, seen, np.arange(200)), None)
    assert found.recall is not None
    assert found.recall.plain == 1.0
    assert found.recall.centred < 0.9
    assert not found.centred
    assert "costs recall@10" in found.reason


@pytest.mark.parametrize("asked", [True, False])
def test_what_is_asked_for_is_done(asked: bool) -> None:
    found = judge(samples(cone=1.0 if not asked else 0.0), None, asked)
    assert found.centred is asked
    assert found.reason == "as asked for"
