import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import InvalidInput, SpaceMismatch
from contracts.joint import Weights, half, join_item, join_query, unit
from contracts.space import Space

RNG = np.random.default_rng(11)
MEANS = {tower: (0.3 * unit(RNG.normal(size=8))).tolist() for tower in ("text", "clip_text", "clip_image")}
SPACE = Space(
    encoders={"text": "a@1", "clip_text": "b@1", "clip_image": "c@1"},
    text_dim=8,
    image_dim=8,
    centred=True,
    means=MEANS,
)
weight = st.floats(-2, 2, allow_nan=False).filter(lambda w: abs(w) > 1e-3)


def vectors(n: int) -> list[np.ndarray]:
    return [unit(RNG.normal(size=8)) for _ in range(n)]


@given(weight, weight, weight)
def test_a_score_is_the_weighted_sum_of_the_halves_cosines(tt: float, tv: float, vv: float) -> None:
    words, clip_words, picture, item_text, item_image = vectors(5)
    query = join_query(SPACE, Weights(tt, tv, vv), text=words, clip_text=clip_words, images=[picture])
    item = join_item(SPACE, item_text, item_image)
    cosines = (
        tt * half(SPACE, "text", words) @ half(SPACE, "text", item_text)
        + tv * half(SPACE, "clip_text", clip_words) @ half(SPACE, "clip_image", item_image)
        + vv * half(SPACE, "clip_image", picture) @ half(SPACE, "clip_image", item_image)
    )
    assert query @ item == pytest.approx(cosines, abs=1e-5)


def test_an_absent_half_is_zeros_and_never_minus_the_mean() -> None:
    (text,) = vectors(1)
    joint = join_item(SPACE, text, None)
    assert not joint[8:].any()
    assert np.linalg.norm(joint[:8]) == pytest.approx(1, abs=1e-6)


def test_a_half_that_equals_the_mean_counts_as_absent() -> None:
    space = Space(
        encoders=SPACE.encoders, text_dim=8, image_dim=8, centred=True, means=MEANS | {"text": [1.0] + [0.0] * 7}
    )
    assert not half(space, "text", np.eye(8, dtype=np.float32)[0]).any()


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0])
def test_a_vector_without_direction_counts_as_absent(value: float) -> None:
    assert not half(SPACE, "text", np.full(8, value, dtype=np.float32)).any()


def test_a_vector_of_another_width_is_refused() -> None:
    with pytest.raises(SpaceMismatch):
        half(SPACE, "text", np.ones(9, dtype=np.float32))


def test_a_query_without_words_and_pictures_is_refused() -> None:
    with pytest.raises(InvalidInput):
        join_query(SPACE, Weights())
    with pytest.raises(InvalidInput):
        join_query(SPACE, Weights(0, 0, 0), text=vectors(1)[0])


def test_the_space_id_changes_with_encoder_mean_or_width() -> None:
    changed = [
        Space(encoders=SPACE.encoders | {"text": "a@2"}, text_dim=8, image_dim=8, centred=True, means=MEANS),
        Space(encoders=SPACE.encoders, text_dim=8, image_dim=8, centred=False, means=MEANS),
        Space(encoders=SPACE.encoders, text_dim=8, image_dim=8, centred=True, means=MEANS | {"text": [0.5] * 8}),
    ]
    ids = {space.space_id for space in (SPACE, *changed)}
    assert len(ids) == 4
    with pytest.raises(SpaceMismatch):
        SPACE.require(changed[0].space_id)
