"""Writes and measures the student of a folder of captioned pictures. No PyTorch."""

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from contracts.space import Space
from export.demo_clip.graph import build_graph, read_weights
from export.distil.heldout import folder_held_out
from export.distil.measure import Agreement, compare
from export.distil.source import PictureSource
from export.distil.towers import CaptionTower, PictureTeacher, embed_with, open_session

WEIGHTS_FILE = "model.safetensors"
MODEL_FILE = "model.onnx"
CARD_FILE = "card.json"


def write_graph(folder: Path, name: str, image_size: int) -> Path:
    """Write the ONNX graph of the weights in `folder` beside them; returns its path."""
    path = folder / MODEL_FILE
    onnx.save(build_graph(read_weights(folder / WEIGHTS_FILE), name, image_size), path)
    return path


def measure_student(
    model: Path, teacher: PictureTeacher, captions: CaptionTower, held_out: PictureSource, space: Space
) -> Agreement:
    """The exported student beside its teacher, on pictures kept from training."""
    session = open_session(model)

    def student(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        return embed_with(session, pictures)

    return compare(folder_held_out(held_out, captions.embed), teacher.embed, student, space)
