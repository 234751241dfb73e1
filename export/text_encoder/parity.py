"""Compares an exported text encoder with vectors that PyTorch computed and that are checked in beside this file.

`reference.json` is written by `export.text_encoder.reference`, in the export environment; reading it needs no
torch.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Tokenizer

from contracts.errors import ConfigurationError
from export.text_encoder.manifest import Parity

REFERENCE_FILE = Path(__file__).with_name("reference.json")

MIN_COSINE = 0.9999
"""Below this the export is refused: graphs of the same float32 weights differ by rounding (seen: 1 - 3e-7)."""


class ParityError(ConfigurationError):
    """The exported graph does not give PyTorch's vectors."""


@cache
def reference_texts() -> tuple[str, ...]:
    """The recorded texts: of mixed length, some longer than the checkpoint was tuned with."""
    return tuple(_reference()["texts"])


def reference_vectors() -> NDArray[np.float32]:
    """PyTorch's vectors of the recorded texts, [texts, dim], each of length 1."""
    return np.asarray(_reference()["vectors"], dtype=np.float32)


def _reference() -> dict[str, Any]:
    recorded: dict[str, Any] = json.loads(REFERENCE_FILE.read_text())
    return recorded


def encode(version: Path, texts: Sequence[str], max_length: int, batch_size: int = 1) -> NDArray[np.float32]:
    """Encode texts with the graph in the version folder, in this process; [texts, dim].

    Each batch is padded to its longest text; one at a time there is no padding, which is fastest.
    """
    tokenizer = Tokenizer.from_file(str(version / "tokenizer.json"))
    tokenizer.enable_truncation(max_length)
    tokenizer.enable_padding()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    session = onnxruntime.InferenceSession(
        str(version / "model.onnx"), options, providers=["CPUExecutionProvider"]
    )
    batches = []
    for start in range(0, len(texts), batch_size):
        encoded = tokenizer.encode_batch(list(texts[start : start + batch_size]))
        feeds = {
            "input_ids": np.array([each.ids for each in encoded], dtype=np.int64),
            "attention_mask": np.array([each.attention_mask for each in encoded], dtype=np.int64),
        }
        batches.append(session.run(["embedding"], feeds)[0])
    return np.concatenate(batches)


def check_parity(version: Path, max_length: int) -> Parity:
    """Encode the recorded texts and compare.

    Raises:
        ParityError: a cosine is below `MIN_COSINE`.
    """
    return compare(encode(version, reference_texts(), max_length), reference_vectors())


def compare(found: NDArray[np.float32], wanted: NDArray[np.float32]) -> Parity:
    """Compare unit vectors row by row, [texts, dim] both.

    Raises:
        ParityError: a cosine is below `MIN_COSINE`, or the shapes differ.
    """
    if found.shape != wanted.shape:
        raise ParityError(f"vectors of shape {found.shape}, PyTorch gave {wanted.shape}")
    cosines = np.sum(found.astype(np.float64) * wanted, axis=1)
    parity = Parity(len(found), float(cosines.min()), float(np.abs(found - wanted).max()))
    if not parity.min_cosine >= MIN_COSINE:
        raise ParityError(f"smallest cosine to PyTorch's vectors {parity.min_cosine:.6f}, wanted {MIN_COSINE}")
    return parity
