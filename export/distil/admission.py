"""The gate before a joint space: which student may speak it, and with which figures.

An encoder that is not part of the space's hash is admitted when it was trained to reproduce the teacher's vectors
and its figures, measured against that teacher, are good enough; its manifest then names the space. Pure.
"""

import msgspec

from contracts.errors import ConfigurationError
from contracts.space import Space
from contracts.tensors import CLIP_IMAGE
from export.distil.measure import Agreement

MIN_RECALL_KEPT = 0.95
"""Of the teacher's held-out recall@10: one question in twenty may be lost for the speed."""
MIN_CROSS_KEPT = 0.95
"""Of the student's own recall@10, when its queries go to an index of the teacher's vectors."""
MIN_COSINE_MEAN = 0.8
"""Of centred vectors, where unrelated pictures have 0; below it, scores of the two towers would not compare."""


class NotAdmitted(ConfigurationError):
    """The student does not reproduce the space's picture tower well enough, or it was measured against another."""


class Admission(msgspec.Struct, frozen=True, kw_only=True):
    """What the manifest of an admitted student says: the space that it speaks, and how well."""

    space_id: str
    recall_kept: float
    cross_recall_kept: float
    cosine_mean: float
    figures: Agreement


def check_teacher(space: Space, teacher_sha256: str) -> None:
    """Raise `NotAdmitted` unless the space's picture tower has these weights."""
    if space.encoders["clip_image"] != f"{CLIP_IMAGE}@{teacher_sha256}":
        raise NotAdmitted("The student's teacher is another picture tower than this space's.")


def admit(space: Space, teacher_sha256: str, figures: Agreement) -> Admission:
    """Admit a student to a space.

    Args:
        teacher_sha256: of the teacher's weights that the figures were measured against.

    Raises:
        NotAdmitted: names every figure that is too low.
    """
    check_teacher(space, teacher_sha256)
    wanted = (
        ("share of the teacher's recall@10", figures.recall_kept, MIN_RECALL_KEPT),
        ("share of its own recall@10 on the teacher's index", figures.cross_kept, MIN_CROSS_KEPT),
        ("mean cosine to the teacher's vectors", figures.cosine_mean, MIN_COSINE_MEAN),
    )
    # Written so that a figure that is not a number fails as well.
    low = [f"{name} {value:.3f} (at least {least})" for name, value, least in wanted if not value >= least]
    if low:
        raise NotAdmitted(f"The student is not admitted to the space: {'; '.join(low)}.")
    return Admission(
        space_id=space.space_id,
        recall_kept=round(figures.recall_kept, 4),
        cross_recall_kept=round(figures.cross_kept, 4),
        cosine_mean=figures.cosine_mean,
        figures=figures,
    )
