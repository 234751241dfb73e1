"""Puts exported models into the repository all at once, or not at all.

Everything is written into a hidden folder inside the repository, so that moving is a rename on one file system.
Each model's whole folder, configuration, manifest and version, then takes its place by one rename. Whatever ends
the export before that, a failed gate, a full disk, Ctrl-C, leaves the repository as it was.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from contracts.errors import Conflict, DependencyFailed
from contracts.space import named_in_space, space_file

VERSION = "1"
STAGING_PREFIX = ".export-"


@contextmanager
def publication(repository: Path, models: Sequence[str], *, replace: bool) -> Iterator[Mapping[str, Path]]:
    """Folders to write the models into, by name; they become models when the block ends without an error.

    Raises:
        Conflict: a model of that name is there and may not be replaced.
        DependencyFailed: the disk is full or cannot be written to.
    """
    refuse_taken_names(repository, models, replace=replace)
    created = not repository.exists()
    try:
        repository.mkdir(parents=True, exist_ok=True)
        remove_abandoned(repository)
        staging = Path(tempfile.mkdtemp(prefix=f"{STAGING_PREFIX}{os.getpid()}-", dir=repository))
    except OSError as exc:
        raise DependencyFailed("disk", f"The model repository cannot be written to: {exc.strerror}.") from exc
    done = False
    try:
        folders = {name: staging / name for name in models}
        for folder in folders.values():
            (folder / VERSION).mkdir(parents=True)
        yield folders
        _move_into_place(repository, staging, models)
        done = True
    except OSError as exc:
        raise DependencyFailed("disk", f"The export could not be written: {exc.strerror or exc}.") from exc
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        if created and not done:
            with contextlib.suppress(OSError):
                repository.rmdir()


def refuse_taken_names(repository: Path, models: Sequence[str], *, replace: bool) -> None:
    """Raise for names whose models must stay; worth asking before the work is done.

    Raises:
        Conflict: the name is taken and `replace` is off, or the joint space of the index is made of that model.
    """
    for name in models:
        if not (repository / name).exists():
            continue
        if not replace:
            raise Conflict(f"A model '{name}' is in the repository already: give --replace, or another --name.")
        if name in models_of_the_space(repository):
            raise Conflict(
                f"A joint space of this repository is made of '{name}': replacing it would make every vector in "
                "the index wrong. Export under another --name, or into another --repository."
            )


def models_of_the_space(repository: Path) -> frozenset[str]:
    """Models that the repository's joint spaces are made of; none where no space has been described."""
    return frozenset(model for file in repository.glob("space*.json") for model in _models_of(file))


def models_beside(repository: Path) -> frozenset[str]:
    """Those of them that are of other spaces than the repository's first one."""
    return frozenset(model for file in repository.glob(space_file("*")) for model in _models_of(file))


def _models_of(file: Path) -> set[str]:
    """Names of the models that a space's description is about, as they are called in its repository."""
    space_id = file.name.removeprefix("space").removesuffix(".json").removeprefix(".")
    try:
        encoders = json.loads(file.read_text())["encoders"]
    except (OSError, ValueError, KeyError):
        return set()
    return {named_in_space(str(encoder).partition("@")[0], space_id or None) for encoder in encoders.values()}


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write `manifest.json` into a model's folder."""
    (folder / "manifest.json").write_text(
        json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
    )


def _move_into_place(repository: Path, staging: Path, models: Sequence[str]) -> None:
    """Swap every model's folder; an error halfway puts the old ones back."""
    retired = staging / "retired"
    retired.mkdir()
    swapped: list[str] = []
    try:
        for name in models:
            target = repository / name
            if target.exists():
                target.rename(retired / name)
            swapped.append(name)
            (staging / name).rename(target)
    except BaseException:
        for name in reversed(swapped):
            target = repository / name
            if target.exists() and not (staging / name).exists():
                target.rename(staging / name)
            if (retired / name).exists():
                (retired / name).rename(target)
        raise


def remove_abandoned(repository: Path) -> None:
    """Staging folders of exports that were killed; those of live ones stay."""
    for folder in repository.glob(f"{STAGING_PREFIX}*-*"):
        pid = folder.name.removeprefix(STAGING_PREFIX).partition("-")[0]
        if not pid.isdigit() or not Path(f"/proc/{pid}").exists():
            shutil.rmtree(folder, ignore_errors=True)
