"""An exported model that wants to become a version of another: what it is, and whether its callers could tell.

Reads files only; whether both give the same vectors is measured elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf import text_format  # type: ignore[import-untyped]
from tokenizers import Tokenizer
from tritonclient.grpc.model_config_pb2 import DataType, ModelConfig

from contracts.errors import ConfigurationError, Conflict, InvalidInput, NotFound
from contracts.tensors import EMBEDDING
from encoding.manifests import ImageManifest, TextManifest, read_manifest
from export.same_vectors import threshold_of
from stack.model_versions import MANIFEST, REFERENCE, versions_on_disk
from stack.servers.triton_probe import read_model_config

CONFIG = "config.pbtxt"
TOKENIZER = "tokenizer.json"


@dataclass(frozen=True, slots=True)
class Candidate:
    """The folder of an exported model, the version in it, and its manifest."""

    folder: Path
    version: Path
    manifest: Mapping[str, Any]

    @property
    def precision(self) -> str:
        return str(self.manifest.get("precision", ""))


def open_candidate(folder: Path) -> Candidate:
    """Read what `trireme export` wrote.

    Raises:
        NotFound: there is no such folder. InvalidInput: it is no exported model, or its export was not compared.
    """
    if not folder.is_dir():
        raise NotFound(f"There is no folder '{folder}'.")
    versions = versions_on_disk(folder)
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        smallest = float(manifest["parity"]["min_cosine"])
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise InvalidInput(
            f"'{folder}' is not the folder of an exported model: its manifest.json with the figures of the "
            "comparison with PyTorch is missing or damaged."
        ) from exc
    if not versions or not (folder / CONFIG).is_file():
        raise InvalidInput(f"'{folder}' holds no exported version, or no {CONFIG}.")
    candidate = Candidate(folder, folder / str(versions[-1]), manifest)
    if not smallest >= threshold_of(candidate.precision):
        raise InvalidInput(f"The export in '{folder}' did not pass its comparison with PyTorch.")
    return candidate


def gives_vectors(folder: Path) -> bool:
    """Whether the model in `folder` is an encoder."""
    return EMBEDDING in {each.name for each in _config_of(folder).output}


def check_same_interface(folder: Path, candidate: Candidate, *, with_config: bool) -> None:
    """Check that callers of the model in `folder` need not know which of the two answers.

    Args:
        with_config: its configurations are to be taken as well, so they must be the model's by name.

    Raises:
        Conflict: other tensors, another tokenizer or another way to prepare pictures.
    """
    model, ours, theirs = folder.name, _config_of(folder), _config_of(candidate.folder)
    for kind, one, other in (("inputs", ours.input, theirs.input), ("outputs", ours.output, theirs.output)):
        if _tensors(one) != _tensors(other):
            raise Conflict(f"The export has other {kind} than '{model}': {_tensors(other)}, not {_tensors(one)}.")
    if with_config and theirs.name != model:
        raise Conflict(
            f"Its configurations are those of a model named '{theirs.name}': export it with the name '{model}'."
        )
    if not gives_vectors(folder):
        return
    tokenizer = folder / str(REFERENCE) / TOKENIZER
    if tokenizer.is_file():
        if _canonical(tokenizer) != _canonical(candidate.version / TOKENIZER):
            raise Conflict(f"The export has another tokenizer than '{model}': its tokens mean other words.")
        _same(model, folder, candidate, TextManifest, ("dim", "max_length", "pad_token_id"))
    else:
        fields = ("dim", "image_size", "resize", "interpolation", "shortest_edge", "crop_rounding")
        _same(model, folder, candidate, ImageManifest, fields)


def read_configs(folder: Path) -> Mapping[str, str]:
    """The configurations in a model's folder by their place in it."""
    paths = [folder / CONFIG, *sorted((folder / "configs").glob("*.pbtxt"))]
    return {path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8") for path in paths}


def write_configs(folder: Path, configs: Mapping[str, str]) -> None:
    """Write those that differ; others stay."""
    for place, text in configs.items():
        path = folder / place
        path.parent.mkdir(exist_ok=True)
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def _same(
    model: str,
    folder: Path,
    candidate: Candidate,
    kind: type[TextManifest] | type[ImageManifest],
    fields: tuple[str, ...],
) -> None:
    ours = read_manifest(folder.parent, model, kind)
    theirs = read_manifest(candidate.folder.parent, candidate.folder.name, kind)
    differing = [name for name in fields if getattr(ours, name) != getattr(theirs, name)]
    if differing:
        raise Conflict(f"Callers of '{model}' could not use the export: it differs in {', '.join(differing)}.")


def _config_of(folder: Path) -> ModelConfig:
    try:
        return read_model_config(folder / CONFIG)
    except OSError as exc:
        raise ConfigurationError(f"'{folder.name}' has no {CONFIG}.") from exc
    except text_format.ParseError as exc:
        raise ConfigurationError(f"The {CONFIG} of '{folder.name}' is damaged.") from exc


def _tensors(tensors: Any) -> list[str]:
    """Name, type and sizes of each tensor, in words that can be compared and shown."""
    return [
        f"{each.name} {DataType.Name(each.data_type).removeprefix('TYPE_')} {list(each.dims)}" for each in tensors
    ]


def _canonical(tokenizer: Path) -> str | None:
    """A tokenizer.json as the library itself writes it; None where there is no readable one."""
    try:
        read = Tokenizer.from_str(tokenizer.read_text(encoding="utf-8"))
    except Exception:  # noqa: BLE001 - the library raises bare Exceptions
        return None
    read.no_truncation()
    read.no_padding()
    return str(read.to_str())
