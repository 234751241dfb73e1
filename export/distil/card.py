"""What is written down of a student: where it comes from, how it was trained, how good and how cheap it is."""

import hashlib
from pathlib import Path
from typing import Any

import msgspec
import onnx

from contracts.errors import ConfigurationError
from export.distil.flops import count_flops
from export.distil.measure import Agreement


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """A student's card, beside its weights.

    Args:
        weights_sha256, teacher_sha256: of the two weight files; the figures hold for these and no others.
        flops, teacher_flops: of one picture, counted on the graphs.
        training: plan, pictures and minutes.
    """

    model: str
    trained: str
    command: str
    weights_sha256: str
    teacher_sha256: str
    flops: int
    teacher_flops: int
    training: dict[str, Any]
    figures: Agreement

    @property
    def flops_ratio(self) -> float:
        """How many times cheaper than the teacher."""
        return self.teacher_flops / self.flops


def read_card(path: Path) -> Card:
    """A card.

    Raises:
        ConfigurationError: it is missing or damaged.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Card)
    except (OSError, msgspec.DecodeError) as exc:
        raise ConfigurationError("The distilled student's card is missing or damaged.") from exc


def write_card(path: Path, card: Card) -> None:
    """Write it, indented for people."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(card), indent=2) + b"\n")


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def flops_of(model: Path) -> int:
    """Operations of an exported model for one picture."""
    return count_flops(onnx.load(model))


def told(card: Card) -> str:
    """The figures in three lines."""
    figures = card.figures
    return (
        f"FLOPs {card.flops / 1e6:.1f} M against the teacher's {card.teacher_flops / 1e6:.1f} M: "
        f"{card.flops_ratio:.2f} times cheaper\n"
        f"recall@10 words to pictures {figures.student.text_to_picture_10:.4f} "
        f"(teacher {figures.teacher.text_to_picture_10:.4f}), pictures to words "
        f"{figures.student.picture_to_text_10:.4f} ({figures.teacher.picture_to_text_10:.4f}); "
        f"{100 * figures.recall_kept:.1f} % kept\n"
        f"recall@10 of its pictures on the teacher's index {figures.cross_10:.4f}, on its own "
        f"{figures.student.picture_to_picture_10:.4f}; {100 * figures.cross_kept:.1f} %; "
        f"mean cosine to the teacher {figures.cosine_mean:.3f}"
    )
