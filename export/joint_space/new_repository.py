"""A model repository that appears whole under its name, or not at all; its models are those of another one."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from contracts.errors import Conflict, DependencyFailed
from export.publish import STAGING_PREFIX, remove_abandoned

_OWN_NAME = 'name: "{}"'


def refuse_used_folder(folder: Path) -> None:
    """Raise unless the folder is absent or empty; worth asking before the work is done.

    Raises:
        Conflict: something is in it.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Conflict(
            f"'{folder.name}' is not empty. A space gets a model repository of its own: an index that was built "
            "for another space would be wrong for this one."
        )


@contextmanager
def new_repository(folder: Path) -> Iterator[Path]:
    """A folder to write into; it becomes `folder` when the block ends without an error.

    Raises:
        Conflict: `folder` is not empty. DependencyFailed: the disk is full or cannot be written to.
    """
    refuse_used_folder(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        remove_abandoned(folder.parent)
        staged = Path(tempfile.mkdtemp(prefix=f"{STAGING_PREFIX}{os.getpid()}-", dir=folder.parent))
        # mkdtemp makes folders that only their owner can enter; a server under another user reads this one.
        staged.chmod(0o755)
    except OSError as exc:
        raise DependencyFailed("disk", f"'{folder.name}' cannot be written to: {exc.strerror}.") from exc
    try:
        yield staged
        staged.replace(folder)
    except OSError as exc:
        raise DependencyFailed("disk", f"The space could not be written: {exc.strerror or exc}.") from exc
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def copy_model(source: Path, target: Path) -> None:
    """A model's folder under another name: its versions share their bytes where the file system can.

    A version's files are never written again: an export puts new ones in their place. Configurations name the
    model and its caches, and are written anew.
    """
    shutil.copytree(
        source, target, copy_function=_share, ignore=shutil.ignore_patterns("*.pbtxt", "manifest.json")
    )
    for config in source.rglob("*.pbtxt"):
        text = renamed(config.read_text(encoding="utf-8"), source.name, target.name)
        (target / config.relative_to(source)).write_text(text, encoding="utf-8")


def renamed(text: str, old: str, new: str) -> str:
    """A configuration or a command under the model's new name; tensors may be called as the model is, and stay."""
    own_name = re.compile(f"^{re.escape(_OWN_NAME.format(old))}$", re.MULTILINE)
    text = own_name.sub(_OWN_NAME.format(new), text)
    # Paths of caches: .../tensorrt/OLD" and .../tensorrt/OLD.timing
    return re.sub(rf'(?<=/){re.escape(old)}(?=["./\s]|$)', new, text)


def _share(source: str, target: str) -> str:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    return target
