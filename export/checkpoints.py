"""Finds checkpoints, a folder or a hub id, and loads them into transformers' own classes.

Weights are data here and never code: safetensors where there are some, otherwise `torch.load(weights_only=True)`;
a checkpoint's own Python files are not run.
"""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import SafetensorError
from safetensors.torch import load_file

from contracts.errors import NotFound
from export.checkpoint_files import CONFIG, OPEN_CLIP_CONFIG, choose_weights, weight_names
from export.hub import download
from export.request import Progress, quiet
from export.text_encoder.checkpoint import CheckpointError, sha256_of

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint's folder on this machine and where it came from.

    Args:
        config: its `config.json`, or `open_clip_config.json`.
    """

    folder: Path
    source: str
    revision: str
    licence: str
    weights: Path
    config: dict[str, Any]

    @property
    def is_open_clip(self) -> bool:
        """Whether it is in open_clip's own format."""
        return "model_cfg" in self.config

    @property
    def model_type(self) -> str:
        """transformers' name of the architecture; "open_clip" for open_clip's own format."""
        return "open_clip" if self.is_open_clip else str(self.config.get("model_type", "unknown"))

    def read_json(self, name: str) -> Any:
        """A JSON file of the checkpoint; None where there is none.

        Raises:
            CheckpointError: it is damaged.
        """
        return _read_json(self.folder / name)


def open_checkpoint(
    path_or_id: str,
    *,
    revision: str | None = None,
    licence: str | None = None,
    progress: Progress = quiet,
) -> Checkpoint:
    """The checkpoint in a folder, or on the hub, from where it is downloaded once.

    Raises:
        NotFound: neither a folder nor a hub id. CheckpointError: files are missing or damaged.
        ConfigurationError, DependencyDown, DependencyFailed: see `download`.
    """
    folder = Path(path_or_id).expanduser()
    if folder.is_dir():
        source = folder.resolve().name
    elif _HUB_ID.fullmatch(path_or_id) and not folder.exists():
        found = download(path_or_id, revision, progress=progress)
        folder, source, revision = found.folder, path_or_id, found.commit
    else:
        raise NotFound(f"'{path_or_id}' is neither a folder nor a hub id (owner/name).")
    # A repository may hold both formats; transformers' own comes first, as it needs no mapping.
    config = _read_json(folder / CONFIG) or _read_json(folder / OPEN_CLIP_CONFIG)
    if not isinstance(config, dict):
        raise CheckpointError(f"'{source}' is no checkpoint: it has neither {CONFIG} nor {OPEN_CLIP_CONFIG}.")
    weights = _weights(folder, source, open_clip="model_cfg" in config)
    return Checkpoint(
        folder=folder,
        source=source,
        revision=revision or f"weights sha256:{sha256_of(weights)[:16]}",
        licence=licence or _licence(folder),
        weights=weights,
        config=config,
    )


def load_model(model_class: Any, checkpoint: Checkpoint) -> Any:
    """The model with the checkpoint's weights, in float32 and evaluation mode.

    Raises:
        CheckpointError: weights are missing, damaged, or of another shape than the configuration says.
    """
    with told_load_errors(checkpoint), _quiet():
        model, info = model_class.from_pretrained(
            checkpoint.folder,
            local_files_only=True,
            trust_remote_code=False,
            weights_only=True,
            output_loading_info=True,
            attn_implementation="eager",
            dtype=torch.float32,
        )
    # transformers fills what is missing with random numbers and only warns. A text encoder's pooler is not used.
    missing = sorted(key for key in info["missing_keys"] if not key.startswith("pooler."))
    wrong = sorted(str(key) for key in info.get("mismatched_keys", ()))
    if missing or wrong:
        names = ", ".join([*missing, *wrong][:3])
        raise CheckpointError(
            f"The weights of '{checkpoint.source}' do not fit its configuration: {len(missing)} are missing and "
            f"{len(wrong)} have another shape (such as {names})."
        )
    return model.eval()


def load_tensors(checkpoint: Checkpoint) -> dict[str, torch.Tensor]:
    """The tensors of a checkpoint that is one file, by name.

    Raises:
        CheckpointError: the file is damaged, or holds anything but tensors.
    """
    with told_load_errors(checkpoint):
        if checkpoint.weights.suffix == ".safetensors":
            return dict(load_file(checkpoint.weights))
        loaded = torch.load(checkpoint.weights, map_location="cpu", weights_only=True)
        tensors = loaded.get("state_dict", loaded)
        return {name.removeprefix("module."): tensor for name, tensor in tensors.items()}


@contextmanager
def told_load_errors(checkpoint: Checkpoint) -> Iterator[None]:
    """Turns the loaders' many errors into one of ours."""
    try:
        yield
    except (SafetensorError, pickle.UnpicklingError, EOFError) as exc:
        raise CheckpointError(
            f"The weights of '{checkpoint.source}' are damaged, cut short, or hold code instead of numbers."
        ) from exc
    except (OSError, ValueError, RuntimeError, KeyError, TypeError) as exc:
        first = str(exc).strip().splitlines() or [type(exc).__name__]
        raise CheckpointError(f"The checkpoint '{checkpoint.source}' cannot be loaded: {first[0][:200]}") from exc


@contextmanager
def _quiet() -> Iterator[None]:
    """transformers' loading report says what the error here says better."""
    before = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers.logging.set_verbosity(before)


def _weights(folder: Path, source: str, *, open_clip: bool) -> Path:
    name = choose_weights([each.name for each in folder.iterdir()], open_clip=open_clip)
    if name is None:
        raise CheckpointError(
            f"'{source}' has no weights: none of {', '.join(weight_names(open_clip=open_clip))}."
        )
    _require_shards(folder / name, source)
    return folder / name


def _require_shards(index: Path, source: str) -> None:
    if index.suffix != ".json":
        return
    shards = set((_read_json(index) or {}).get("weight_map", {}).values())
    missing = sorted(name for name in shards if not (index.parent / name).is_file())
    if missing or not shards:
        raise CheckpointError(f"'{source}' lacks weights that its index names: {', '.join(missing[:3]) or 'all'}.")


def _licence(folder: Path) -> str:
    """The licence in the front matter of the model card; "unknown" where it says none."""
    card = folder / "README.md"
    if not card.is_file():
        return "unknown"
    front = card.read_text(encoding="utf-8", errors="replace").split("\n---", 1)[0]
    found = re.search(r"^license:\s*(\S+)", front, re.MULTILINE)
    return found.group(1) if found else "unknown"


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as exc:
        raise CheckpointError(f"The checkpoint's file {path.name} is damaged or cannot be read.") from exc
