"""What a Llama checkpoint folder must hold before hours are spent on it, and what its own files say of it.

Reads JSON and names of files only: no weights, no torch.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts.errors import ConfigurationError

ARCHITECTURE = "LlamaForCausalLM"
INDEX_FILE = "model.safetensors.index.json"
WEIGHTS_FILE = "model.safetensors"
BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Source:
    """A checkpoint folder and what it is called: a hub id with its commit, or the folder's own name."""

    folder: Path
    name: str
    revision: str | None = None


@dataclass(frozen=True, slots=True)
class LlamaCheckpoint:
    """A checkpoint that can be exported.

    Args:
        weights: its safetensors files, in order.
        context_length: most tokens of prompt and answer together.
        licence: as its model card names it; None where there is none.
    """

    folder: Path
    weights: tuple[Path, ...]
    context_length: int
    layers: int
    licence: str | None


def read_checkpoint(folder: Path) -> LlamaCheckpoint:
    """Look a checkpoint folder over.

    Raises:
        ConfigurationError: files are missing, the weights are not safetensors, or it is no Llama.
    """
    config = _config(folder)
    architectures = config.get("architectures") or ["none"]
    if architectures != [ARCHITECTURE]:
        raise ConfigurationError(
            f"The checkpoint's architecture is {', '.join(architectures)}; `trireme export llama` exports "
            f"{ARCHITECTURE}."
        )
    missing = [name for name in ("tokenizer.json", "tokenizer_config.json") if not (folder / name).is_file()]
    if missing:
        raise ConfigurationError(f"The checkpoint folder has no {', '.join(missing)}.")
    if not _has_chat_template(folder):
        raise ConfigurationError(
            "The checkpoint has no chat template, so it cannot be asked questions: export its Instruct variant, "
            "or put a chat_template.jinja into its folder."
        )
    return LlamaCheckpoint(
        folder=folder,
        weights=_weights(folder),
        context_length=int(config["max_position_embeddings"]),
        layers=int(config["num_hidden_layers"]),
        licence=_licence(folder),
    )


def sha256_of(files: tuple[Path, ...]) -> dict[str, str]:
    """SHA-256 of each file by its name, read in blocks."""
    return {file.name: _sha256(file) for file in files}


def _config(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / "config.json").read_text())
    except FileNotFoundError as exc:
        raise ConfigurationError("The checkpoint folder has no config.json.") from exc
    except ValueError as exc:
        raise ConfigurationError("The checkpoint's config.json is not JSON.") from exc
    if not isinstance(found, dict):
        raise ConfigurationError("The checkpoint's config.json is not a JSON object.")
    return found


def _weights(folder: Path) -> tuple[Path, ...]:
    if (folder / INDEX_FILE).is_file():
        names = sorted(set(json.loads((folder / INDEX_FILE).read_text())["weight_map"].values()))
    else:
        names = [WEIGHTS_FILE]
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise ConfigurationError(
            f"The checkpoint folder has no {', '.join(missing)}. Only safetensors are read: pickled weights can "
            "run code."
        )
    return tuple(folder / name for name in names)


def _has_chat_template(folder: Path) -> bool:
    if (folder / "chat_template.jinja").is_file():
        return True
    return bool(json.loads((folder / "tokenizer_config.json").read_text()).get("chat_template"))


def _licence(folder: Path) -> str | None:
    """The licence that the model card's front matter names."""
    try:
        card = (folder / "README.md").read_text(errors="replace")
    except OSError:
        return None
    found = re.search(r"^license(?:_name)?:\s*(\S+)\s*$", card.split("\n---", 1)[0], re.MULTILINE)
    return found.group(1) if found else None


def _sha256(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as opened:
        while block := opened.read(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()
