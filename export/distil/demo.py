"""The demo CLIP's distillation: its rendered stream as a source, and a student that begins as its teacher."""

from collections.abc import Mapping
from itertools import accumulate

import numpy as np
import torch
from numpy.typing import NDArray

from export.demo_clip import config
from export.demo_clip.graph import Weights, read_weights
from export.demo_clip.model import PictureTower
from export.demo_clip.pictures import PictureStream
from export.demo_clip.subjects import Subject, pair_subjects, single_subjects
from export.demo_clip.train import N_PAIRS

SEED = config.TRAINING_SEED + 1
"""Pictures that the teacher was not trained on, drawn from the same subjects."""
BLOCKS = (0, 0, 1, 1)
STEM_STRIDE = 3
"""The first convolution brings 96 pixels to 32 instead of 48, and two residual blocks are left out."""
TEACHER_LAYERS: Mapping[int, int] = {0: 0, 1: 1, 2: 3, 3: 4, 4: 6, 5: 7}
"""The student's layers, and those of the teacher that they begin as."""


class DemoSource:
    """`n` pictures of the demo CLIP's subjects, alone and in pairs. See `source.PictureSource`."""

    def __init__(self, n: int, seed: int = SEED, subjects: list[Subject] | None = None) -> None:
        self._subjects = subjects or single_subjects() + pair_subjects(config.TRAINING_SEED, N_PAIRS)
        size = config.IMAGE_SIZE
        self._stream = PictureStream(self._subjects, seed, n, small_until=0, sizes=(size, size))
        counts = [len(subject.captions) for subject in self._subjects]
        self._starts = [0, *accumulate(counts)]
        self.captions: list[str] = [caption for subject in self._subjects for caption in subject.captions]
        self.subjects: list[int] = [number for number, count in enumerate(counts) for _ in range(count)]
        self.key = f"demo {seed} {len(self._subjects)} {len(self.captions)}"

    def __len__(self) -> int:
        return len(self._stream)

    def picture(self, index: int) -> tuple[NDArray[np.uint8], int]:
        """UINT8 [96, 96, 3], and the number of the caption drawn for it."""
        pixels, subject, caption = self._stream[index]
        return pixels.numpy(), self._starts[subject] + caption


def start_weights(teacher: Weights) -> Weights:
    """The student before it has learnt anything: the teacher's layers that it keeps, as if pictures had 64 pixels.

    Taking every third pixel with the composed 5x5 kernel equals shrinking the picture to two thirds (each pixel
    the mean of the area it covers) and taking every second with the teacher's 3x3 kernel.
    """
    weights = {name: value for name, value in teacher.items() if name.startswith("head.")}
    for ours, theirs in TEACHER_LAYERS.items():
        prefix = f"body.{theirs}."
        weights |= {
            f"body.{ours}.{name.removeprefix(prefix)}": value
            for name, value in teacher.items()
            if name.startswith(prefix)
        }
    # Rows: the three shrunk pixels under the kernel. Columns: what each takes of the five under the new one.
    area = np.array([[1, 2, 0, 0, 0], [0, 0, 2, 1, 0], [0, 0, 0, 1, 2]], np.float32) / 3
    weights["body.0.conv.weight"] = np.einsum("oikl,kp,lq->oipq", teacher["body.0.conv.weight"], area, area)
    return weights


def new_student() -> PictureTower:
    """The student in PyTorch before its training, see `start_weights`."""
    return _with_weights(start_weights(read_weights()))


def load_student() -> PictureTower:
    """The student with its checked-in weights, ready for inference."""
    tower = _with_weights(read_weights(config.DISTILLED_WEIGHTS))
    tower.eval()
    return tower


def _with_weights(weights: Weights) -> PictureTower:
    tower = PictureTower(blocks=BLOCKS, stem_stride=STEM_STRIDE)
    tensors = {name: torch.from_numpy(np.array(value)) for name, value in weights.items()}
    missing, unexpected = tower.load_state_dict(tensors, strict=False)
    if unexpected or any(not name.endswith("num_batches_tracked") for name in missing):
        raise ValueError(f"the weights do not fit: missing {missing}, unexpected {unexpected}")
    return tower
