"""What is known of an exported text encoder: `model_repository/<model>/manifest.json`."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from export.version_folder import MANIFEST_FILE


@dataclass(frozen=True, slots=True)
class Parity:
    """How close the exported graph is to PyTorch over the recorded texts."""

    texts: int
    min_cosine: float
    max_abs_error: float


@dataclass(frozen=True, slots=True)
class TextEncoderManifest:
    """Facts that a caller of the model needs, and where the model came from.

    `tokenizer` is relative to the manifest's folder. `max_length` counts tokens with [CLS] and [SEP] and is the
    last position that the graph knows; `trained_length` is the length the checkpoint was tuned with. `sha256`
    is that of the weights, `build_key` changes with whatever would change the export.
    """

    model: str
    source: str
    revision: str
    licence: str
    precision: str
    opset: int
    dim: int
    max_length: int
    trained_length: int
    vocab_size: int
    pad_token_id: int
    tokenizer: str
    pooling: str
    normalised: bool
    sha256: str
    build_key: str
    parity: Parity

    def text(self) -> str:
        """The manifest's file."""
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"


def read_build_key(folder: Path) -> str | None:
    """The build key of the manifest in the model's folder; None where there is no readable one."""
    try:
        key = json.loads((folder / MANIFEST_FILE).read_text()).get("build_key")
    except (OSError, ValueError):
        return None
    return key if isinstance(key, str) else None


def read_parity(folder: Path) -> Parity:
    """The parity figures of the manifest in the model's folder."""
    return Parity(**json.loads((folder / MANIFEST_FILE).read_text())["parity"])
