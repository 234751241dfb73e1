"""What a person asks of an export, and how it tells them where it stands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from export.precision import Precision
from export.sample_inputs import SAMPLES

Progress = Callable[[str], None]
"""Takes a sentence when a step begins."""


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """Where to, and in which form.

    Args:
        name: of the model; CLIP's towers get `_image` and `_text` appended.
        samples: folder with pictures and texts to calibrate int8 and to compare with PyTorch.
        replace: take the place of models of the same name.
    """

    repository: Path
    name: str
    precision: Precision = "fp32"
    samples: Path = SAMPLES
    replace: bool = False


def quiet(_: str) -> None:
    """A progress that tells nobody."""
