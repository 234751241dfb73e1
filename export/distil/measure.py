"""How well a student stands in for its teacher, on pictures that neither has seen. No PyTorch.

All vectors are centred with the space's means first, as they are when they are used.
"""

from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from contracts.space import Space
from export.demo_clip.evaluate import centred, first_ranks, recall

Vectors = NDArray[np.float32]
EmbedPictures = Callable[[NDArray[np.uint8]], Vectors]


@dataclass(frozen=True, slots=True)
class HeldOutSet:
    """What a pair of towers is measured on.

    Args:
        texts: FP32 [t, dim], captions by the locked text tower. text_subjects: INT64 [t], what each names.
        pictures: UINT8 [n, S, S, 3], the index. picture_subjects: INT64 [n], the subject that each shows.
        queries: UINT8 [m, S, S, 3], other pictures to ask with. query_subjects: INT64 [m].
    """

    texts: Vectors
    text_subjects: NDArray[np.int64]
    pictures: NDArray[np.uint8]
    picture_subjects: NDArray[np.int64]
    queries: NDArray[np.uint8]
    query_subjects: NDArray[np.int64]


class Recall(msgspec.Struct, frozen=True, kw_only=True):
    """Shares of questions whose right answer stands among the first k, for one tower.

    "picture to picture" asks with other pictures of the same subjects, on an index of this tower's own vectors.
    """

    text_to_picture_1: float
    text_to_picture_10: float
    picture_to_text_1: float
    picture_to_text_10: float
    picture_to_picture_1: float
    picture_to_picture_10: float


class Agreement(msgspec.Struct, frozen=True, kw_only=True):
    """A student beside its teacher.

    Args:
        cross_1, cross_10: recall of the student's query pictures on an index of the teacher's vectors.
        cosine_mean, cosine_low: of the student's vectors to the teacher's, and their fifth percentile.
    """

    texts: int
    pictures: int
    queries: int
    teacher: Recall
    student: Recall
    cross_1: float
    cross_10: float
    cosine_mean: float
    cosine_low: float

    @property
    def recall_kept(self) -> float:
        """Share of the teacher's recall@10 between text and pictures that is kept, in the worse direction."""
        return min(
            self.student.text_to_picture_10 / self.teacher.text_to_picture_10,
            self.student.picture_to_text_10 / self.teacher.picture_to_text_10,
        )

    @property
    def cross_kept(self) -> float:
        """Recall@10 of the student's queries on the teacher's index, as a share of that on the student's own."""
        return self.cross_10 / self.student.picture_to_picture_10


def compare(held_out: HeldOutSet, teacher: EmbedPictures, student: EmbedPictures, space: Space) -> Agreement:
    """Run both towers over all pictures and measure."""
    mean = space.mean("clip_image")
    texts = centred(held_out.texts, space.mean("clip_text"))
    of_teacher, of_student = (centred(tower(held_out.pictures), mean) for tower in (teacher, student))
    asked_teacher, asked_student = (centred(tower(held_out.queries), mean) for tower in (teacher, student))
    same = held_out.query_subjects[:, None] == held_out.picture_subjects[None, :]
    crossed = first_ranks(asked_student @ of_teacher.T, same)
    cosines = (of_teacher * of_student).sum(axis=1)
    return Agreement(
        texts=len(texts),
        pictures=len(held_out.pictures),
        queries=len(held_out.queries),
        teacher=_recall(held_out, texts, of_teacher, asked_teacher),
        student=_recall(held_out, texts, of_student, asked_student),
        cross_1=recall(crossed, 1),
        cross_10=recall(crossed, 10),
        cosine_mean=round(float(cosines.mean()), 4),
        cosine_low=round(float(np.percentile(cosines, 5)), 4),
    )


def _recall(held_out: HeldOutSet, texts: Vectors, pictures: Vectors, queries: Vectors) -> Recall:
    shows = held_out.text_subjects[:, None] == held_out.picture_subjects[None, :]
    same = held_out.query_subjects[:, None] == held_out.picture_subjects[None, :]
    scores = texts @ pictures.T
    there, back = first_ranks(scores, shows), first_ranks(scores.T, shows.T)
    across = first_ranks(queries @ pictures.T, same)
    return Recall(
        text_to_picture_1=recall(there, 1),
        text_to_picture_10=recall(there, 10),
        picture_to_text_1=recall(back, 1),
        picture_to_text_10=recall(back, 10),
        picture_to_picture_1=recall(across, 1),
        picture_to_picture_10=recall(across, 10),
    )
