"""Puts the models of a space into a repository that serves another one, under names of their own.

The description is written apart, and last: whoever finds a space described may use it.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from contracts.errors import DependencyFailed
from contracts.space import Space, named_in_space, space_file
from encoding.manifests import load_space
from export.joint_space.new_repository import copy_model, renamed
from export.publish import STAGING_PREFIX, remove_abandoned, write_manifest
from export.space import MODEL_OF_TOWER


def put_beside(made: Path, repository: Path) -> tuple[Space, tuple[str, ...]]:
    """Put the models of the space in `made`, as `make_space` wrote it, into `repository`; gives their names there.

    A model that is there already stays. Nothing that is served changes.

    Raises:
        ConfigurationError: `made` is no space. DependencyFailed: the disk is full or cannot be written to.
    """
    space = load_space(made)
    names = tuple(named_in_space(model, space.space_id) for model in MODEL_OF_TOWER.values())
    try:
        remove_abandoned(repository)
        for model, name in zip(MODEL_OF_TOWER.values(), names, strict=True):
            if not (repository / name).exists():
                place_model(made / model, repository, name)
    except OSError as exc:
        raise DependencyFailed("disk", f"The models could not be written: {exc.strerror or exc}.") from exc
    return space, names


def place_model(source: Path, repository: Path, name: str) -> None:
    """A model's folder under another name in another repository; it appears whole. Raises OSError."""
    repository.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f"{STAGING_PREFIX}{os.getpid()}-", dir=repository))
    try:
        copy_model(source, staging / name)
        write_manifest(staging / name, manifest_under(source, name))
        (staging / name).rename(repository / name)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def describe_beside(made: Path, repository: Path, space: Space) -> None:
    """Tell everyone who reads `repository` of the space: its models are there, and served."""
    target = repository / space_file(space.space_id)
    staged = target.with_name(f"{target.name}.partial")
    try:
        staged.write_bytes((made / space_file()).read_bytes())
        staged.replace(target)
    except OSError as exc:
        raise DependencyFailed("disk", f"The space could not be described: {exc.strerror or exc}.") from exc


def manifest_under(exported: Path, name: str) -> dict[str, Any]:
    """An exported model's manifest under a new name; commands inside name the model too."""
    manifest: dict[str, Any] = json.loads((exported / "manifest.json").read_text(encoding="utf-8"))
    if "build_a_plan" in manifest:
        commands = manifest["build_a_plan"].items()
        manifest["build_a_plan"] = {tool: renamed(command, exported.name, name) for tool, command in commands}
    return {"exported_as": exported.name} | manifest | {"model": name}
