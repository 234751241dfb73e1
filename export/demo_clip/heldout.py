"""The held-out pack: a sheet of pictures no training has seen, what each shows, and recorded vectors.

No PyTorch.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from PIL import Image
from safetensors.numpy import load_file

from export.demo_clip.config import HELDOUT_NAMES, HELDOUT_PICTURES, HELDOUT_VECTORS, IMAGE_SIZE

COLUMNS = 40

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class HeldOut:
    """pictures: UINT8 [n, S, S, 3]. subject_of: [n] number of the subject each shows. names, groups: per subject.

    queries: FP32 [subjects, 384], the frozen text encoder's vector of "a picture of NAME".
    reference: FP32 [m, 384], PyTorch's vectors of the first m pictures.
    """

    pictures: NDArray[np.uint8]
    subject_of: NDArray[np.int64]
    names: list[str]
    groups: list[str]
    queries: Vectors
    reference: Vectors


def read_heldout() -> HeldOut:
    """The pack that is checked in beside this file."""
    listing = json.loads(HELDOUT_NAMES.read_text(encoding="utf-8"))
    stored = load_file(HELDOUT_VECTORS)
    return HeldOut(
        pictures=read_sheet(HELDOUT_PICTURES, len(listing["subject_of"])),
        subject_of=np.asarray(listing["subject_of"], np.int64),
        names=listing["names"],
        groups=listing["groups"],
        queries=np.asarray(stored["queries"], np.float32),
        reference=np.asarray(stored["reference"], np.float32),
    )


def read_sheet(path: Path, n: int) -> NDArray[np.uint8]:
    """The first `n` pictures of a sheet, row by row; UINT8 [n, S, S, 3]."""
    with Image.open(path) as opened:
        sheet = np.asarray(opened.convert("RGB"))
    tiles = []
    for index in range(n):
        y, x = (index // COLUMNS) * IMAGE_SIZE, (index % COLUMNS) * IMAGE_SIZE
        tiles.append(sheet[y : y + IMAGE_SIZE, x : x + IMAGE_SIZE])
    return np.stack(tiles)


def embed_pictures(model: bytes, pictures: NDArray[np.uint8], batch: int = 32) -> Vectors:
    """Vectors [n, 384] by ONNX Runtime, one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    runner = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    parts = [
        runner.run(["embedding"], {"image": pictures[start : start + batch]})[0]
        for start in range(0, len(pictures), batch)
    ]
    return np.concatenate(parts).astype(np.float32)
