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

from contracts.errors import Conflict, InvalidInput, NotFound
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
        NotFound: there is no such folder. InvalidInput: it is no exported model.
    """
    if not folder.is_dir():
        raise NotFound(f"There is no folder '{folder}'.")
    versions = versions_on_disk(folder)
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        float(manifest["parity"]["min_cosine"])
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise InvalidInput(
            f"'{folder}' is not the folder of an exported model: its manifest.json with the figures of the "
            "comparison with PyTorch is missing or damaged."
        ) from exc
    if not versions:
        raise InvalidInput(f"'{folder}' holds no exported version.")
    return Candidate(folder, folder / str(versions[-1]), manifest)


def gives_vectors(folder: Path) -> bool:
    """Whether the model in `folder` is an encoder."""
    return EMBEDDING in {each.name for each in _config_of(folder).output}


def check_same_interface(folder: Path, candidate: Candidate, *, with_config: bool) -> None:
    """Check that callers of the model in `folder` need not know which of the two answers.

    Args:
        with_config: its configurations are to be taken as well, so they must be the model's by name.

    Raises:
        InvalidInput: it has no configuration, or its export was not passed by the gate.
        Conflict: other tensors, another tokenizer or another way to prepare pictures.
    """
    is_encoder = gives_vectors(folder)
    # A language model's export writes no configuration: its tensors are fixed, and its tokenizer comes with it.
    if is_encoder or with_config:
        _check_config(folder, candidate, with_config=with_config)
    if not is_encoder:
        return
    if not float(candidate.manifest["parity"]["min_cosine"]) >= threshold_of(candidate.precision):
        raise InvalidInput(f"The export in '{candidate.folder}' did not pass its comparison with PyTorch.")
    tokenizer = folder / str(REFERENCE) / TOKENIZER
    if tokenizer.is_file():
        if _canonical(tokenizer) != _canonical(candidate.version / TOKENIZER):
            raise Conflict(f"The export has another tokenizer than '{folder.name}': its tokens mean other words.")
        _same(folder, candidate, TextManifest, ("dim", "max_length", "pad_token_id"))
    else:
        fields = ("dim", "image_size", "resize", "interpolation", "shortest_edge", "crop_rounding")
        _same(folder, candidate, ImageManifest, fields)


def _check_config(folder: Path, candidate: Candidate, *, with_config: bool) -> None:
    model, ours, theirs = folder.name, _config_of(folder), _config_of(candidate.folder)
    for kind, one, other in (("inputs", ours.input, theirs.input), ("outputs", ours.output, theirs.output)):
        if _tensors(one) != _tensors(other):
            raise Conflict(f"The export has other {kind} than '{model}': {_tensors(other)}, not {_tensors(one)}.")
    if with_config and theirs.name != model:
        raise Conflict(
            f"Its configurations are those of a model named '{theirs.name}': export it with the name '{model}'."
        )


def read_configs(folder: Path) -> Mapping[str, str]:
    """The configurations in a model's folder by their place in it."""
    paths = [folder / CONFIG, *sorted((folder / "configs").glob("*.pbtxt"))]
    return {path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8") for path in paths}


def restore_configs(folder: Path, configs: Mapping[str, str]) -> None:
    """Make these the model's configurations again, and the only ones."""
    for place in read_configs(folder).keys() - configs.keys():
        (folder / place).unlink()
    put_configs(folder, configs)


def put_configs(folder: Path, configs: Mapping[str, str]) -> None:
    """Write those that differ; others, such as an operator's own, stay."""
    for place, text in configs.items():
        path = folder / place
        path.parent.mkdir(exist_ok=True)
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def _same(
    folder: Path, candidate: Candidate, kind: type[TextManifest] | type[ImageManifest], fields: tuple[str, ...]
) -> None:
    ours = read_manifest(folder.parent, folder.name, kind)
    theirs = read_manifest(candidate.folder.parent, candidate.folder.name, kind)
    differing = [name for name in fields if getattr(ours, name) != getattr(theirs, name)]
    if differing:
        raise Conflict(
            f"Callers of '{folder.name}' could not use the export: it differs in {', '.join(differing)}."
        )


def _config_of(folder: Path) -> ModelConfig:
    try:
        return read_model_config(folder / CONFIG)
    except OSError as exc:
        raise InvalidInput(f"There is no {CONFIG} in '{folder}'.") from exc
    except text_format.ParseError as exc:
        raise InvalidInput(f"The {CONFIG} in '{folder}' is damaged.") from exc


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
