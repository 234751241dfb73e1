"""Exported towers as teachers: a picture tower and the text tower beside it, by ONNX Runtime in this process."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from contracts.errors import ConfigurationError
from contracts.tensors import CLIP_TEXT, EMBEDDING
from encoding.manifests import ImageManifest, TextManifest, read_manifest
from encoding.text import TextTokens

VERSION = "1"
BATCH = 32

Vectors = NDArray[np.float32]
Pixels = NDArray[np.uint8]


def open_session(model: Path | bytes, threads: int = 1) -> onnxruntime.InferenceSession:
    """A model on the CPU.

    Raises:
        ConfigurationError: there is no such file.
    """
    if isinstance(model, Path) and not model.is_file():
        raise ConfigurationError(
            f"The model '{model.parent.parent.name}' is not exported yet: run `trireme setup`."
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def embed_with(session: onnxruntime.InferenceSession, pictures: Pixels) -> Vectors:
    """Pictures UINT8 [n, S, S, 3] to the model's vectors FP32 [n, dim], in batches."""
    parts = [
        session.run([EMBEDDING], {"image": pictures[start : start + BATCH]})[0]
        for start in range(0, len(pictures), BATCH)
    ]
    return np.concatenate(parts).astype(np.float32)


class PictureTeacher:
    """An exported picture tower of a model repository; `manifest` says how pictures are brought to its size.

    Raises:
        ConfigurationError: it is not exported.
    """

    def __init__(self, repository: Path, model: str, threads: int = 1) -> None:
        self.manifest = read_manifest(repository, model, ImageManifest)
        self.path = repository / model / VERSION / "model.onnx"
        self._session = open_session(self.path, threads)

    def embed(self, pictures: Pixels) -> Vectors:
        """Pictures UINT8 [n, S, S, 3] to unit vectors FP32 [n, dim]."""
        return embed_with(self._session, pictures)


class CaptionTower:
    """An exported text tower of a model repository, CLIP's by default. Errors as in `PictureTeacher`."""

    def __init__(self, repository: Path, model: str = CLIP_TEXT, threads: int = 1) -> None:
        self.manifest = read_manifest(repository, model, TextManifest)
        folder = repository / model
        self._session = open_session(folder / VERSION / "model.onnx", threads)
        self._tokens = TextTokens(
            folder / self.manifest.tokenizer,
            max_length=self.manifest.max_length,
            pad_token_id=self.manifest.pad_token_id,
        )

    def fits(self, text: str) -> bool:
        """Whether the tower reads the text whole, special tokens counted."""
        return self._tokens.count(text) <= self._tokens.max_tokens

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Captions to unit vectors FP32 [n, dim]; those of like length run together.

        Raises:
            PayloadTooLarge: a caption is longer than the tower reads.
        """
        out = np.empty((len(texts), self.manifest.dim), np.float32)
        sequences = self._tokens.ids(texts)
        order = sorted(range(len(texts)), key=lambda row: len(sequences[row]))
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            feeds = self._tokens.pad([sequences[row] for row in rows])
            out[rows] = self._session.run([EMBEDDING], feeds)[0]
        return out
