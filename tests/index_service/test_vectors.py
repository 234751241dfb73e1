"""Growing vectors against numpy, with blocks small enough that every case crosses their borders."""

import numpy as np
import pytest

from index_service.bitmap import bitmap_of
from index_service.vectors import GrowingVectors
from tests.index_service.building import DIM, vectors


@pytest.fixture
def rows():
    return vectors(np.random.default_rng(1), 403, kind="picture")


@pytest.fixture
def segment(rows):
    segment = GrowingVectors(DIM, block_rows=64)
    for start in range(0, len(rows), 7):
        segment.append(rows[start : start + 7])
    return segment


def test_stored_rows_come_back_bit_for_bit(segment, rows):
    slots = np.array([402, 0, 63, 64, 65, 191, 192])
    assert segment.n_rows == len(rows)
    assert (segment.rows(slots) == rows[slots]).all()


@pytest.mark.parametrize("share", [0.01, 0.2, 0.9, 1.0])
def test_search_finds_the_best_selected_rows(segment, rows, share):
    rng = np.random.default_rng(2)
    queries = rng.standard_normal((5, DIM)).astype(np.float32)
    selected = rng.random(len(rows)) < share
    selected[rng.integers(len(rows))] = True
    k = min(10, int(selected.sum()))

    scores, slots = segment.search(queries, k, bitmap_of(selected))

    exact = queries @ rows.astype(np.float32).T
    exact[:, ~selected] = -np.inf
    expected = np.argsort(-exact, axis=1)[:, :k]
    assert (slots == expected).all()
    # Faiss sums float32 in another order than numpy.
    np.testing.assert_allclose(scores, np.take_along_axis(exact, expected, axis=1), rtol=0, atol=1e-5)


def test_rows_above_a_floor_are_all_given(segment, rows):
    rng = np.random.default_rng(3)
    query = rng.standard_normal(DIM).astype(np.float32)
    selected = rng.random(len(rows)) < 0.5
    exact = rows.astype(np.float32) @ query

    scores, slots = segment.above(query, 0.5, bitmap_of(selected))

    assert set(slots.tolist()) == set(np.flatnonzero(selected & (exact > 0.5)).tolist())
    assert (scores > 0.5).all()


def test_longest_row_is_known(segment):
    segment.append(np.full((1, DIM), 2.0, dtype=np.float16))
    assert segment.longest == pytest.approx(2.0 * DIM**0.5, rel=1e-3)
