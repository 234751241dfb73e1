"""The gate before the joint space."""

import msgspec
import pytest

from contracts.space import Space
from export.distil.admission import NotAdmitted, admit
from export.distil.measure import Agreement, Recall

SPACE = Space(
    encoders={"text": "t@1", "clip_text": "c@1", "clip_image": "clip_image@teacher"},
    text_dim=2,
    image_dim=2,
    centred=False,
    means={"text": [0.0, 0.0], "clip_text": [0.0, 0.0], "clip_image": [0.0, 0.0]},
)


def recalls(at_10: float) -> Recall:
    return Recall(
        text_to_picture_1=0.5,
        text_to_picture_10=at_10,
        picture_to_text_1=0.5,
        picture_to_text_10=at_10,
        picture_to_picture_1=0.5,
        picture_to_picture_10=at_10,
    )


GOOD = Agreement(
    texts=10,
    pictures=10,
    queries=10,
    teacher=recalls(1.0),
    student=recalls(0.96),
    cross_1=0.5,
    cross_10=0.93,
    cosine_mean=0.9,
    cosine_low=0.8,
)


def test_a_good_student_is_admitted_under_the_spaces_id_with_its_figures() -> None:
    admission = admit(SPACE, "teacher", GOOD)
    assert admission.space_id == SPACE.space_id
    assert (admission.recall_kept, admission.cross_recall_kept) == (0.96, round(0.93 / 0.96, 4))
    assert admission.figures == GOOD


@pytest.mark.parametrize(
    ("worse", "named"),
    [
        ({"student": recalls(0.94), "cross_10": 0.94}, "share of the teacher's recall@10 0.940"),
        ({"cross_10": 0.9}, "on the teacher's index 0.938"),
        ({"cosine_mean": 0.5}, "mean cosine to the teacher's vectors 0.500"),
        ({"cosine_mean": float("nan")}, "mean cosine to the teacher's vectors nan"),
    ],
    ids=["recall", "cross-recall", "cosine", "not a number"],
)
def test_a_figure_below_its_threshold_is_refused_and_named(worse: dict[str, object], named: str) -> None:
    with pytest.raises(NotAdmitted) as refused:
        admit(SPACE, "teacher", msgspec.structs.replace(GOOD, **worse))
    assert named in refused.value.message


def test_one_bad_direction_between_text_and_pictures_is_enough_to_be_refused() -> None:
    student = msgspec.structs.replace(recalls(0.99), picture_to_text_10=0.9)
    with pytest.raises(NotAdmitted, match=r"0\.900"):
        admit(SPACE, "teacher", msgspec.structs.replace(GOOD, student=student, cross_10=0.99))


def test_figures_against_another_teacher_admit_nobody() -> None:
    with pytest.raises(NotAdmitted, match="another picture tower"):
        admit(SPACE, "someone else", GOOD)
