"""What a Llama checkpoint folder must hold before hours are spent on it, and what its own files say of it.

Reads JSON and the headers of weight files only: no numbers, no torch.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts.errors import ConfigurationError
from export.llama.weights import check_weights

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
    _read_json(folder / "tokenizer.json")
    layers, weights = _number(config, "num_hidden_layers"), _weights(folder)
    check_weights(weights, layers=layers, tied=bool(config.get("tie_word_embeddings")))
    return LlamaCheckpoint(
        folder=folder,
        weights=weights,
        context_length=_number(config, "max_position_embeddings"),
        layers=layers,
        licence=_licence(folder),
    )


def sha256_of(files: tuple[Path, ...]) -> dict[str, str]:
    """SHA-256 of each file by its name, read in blocks."""
    return {file.name: _sha256(file) for file in files}


def _config(folder: Path) -> dict[str, Any]:
    found = _read_json(folder / "config.json")
    if not isinstance(found, dict):
        raise ConfigurationError("The checkpoint's config.json is not a JSON object.")
    return found


def _number(config: dict[str, Any], name: str) -> int:
    found = config.get(name)
    if not isinstance(found, int) or found < 1:
        raise ConfigurationError(f"The checkpoint's config.json says no {name}.")
    return found


def _read_json(file: Path) -> Any:
    try:
        return json.loads(file.read_text())
    except FileNotFoundError as exc:
        raise ConfigurationError(f"The checkpoint folder has no {file.name}.") from exc
    except (OSError, ValueError) as exc:
        raise ConfigurationError(f"The checkpoint's {file.name} is damaged or cannot be read.") from exc


def _weights(folder: Path) -> tuple[Path, ...]:
    if (folder / INDEX_FILE).is_file():
        index = _read_json(folder / INDEX_FILE)
        names = sorted(set(index.get("weight_map", {}).values())) if isinstance(index, dict) else []
        if not names:
            raise ConfigurationError(f"The checkpoint's {INDEX_FILE} names no weights.")
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
    settings = _read_json(folder / "tokenizer_config.json")
    return isinstance(settings, dict) and bool(settings.get("chat_template"))


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
