"""Puts version 1 of a model and its manifest into their places: both, or neither.

For models whose folders lie in the repository already, with the configurations that are checked in; whole models
are published by `export/publish.py`. A version is staged beside the one that it replaces, under a name beginning
with "0.", which Triton reads as no version.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

VERSION = "1"
MANIFEST_FILE = "manifest.json"
_STAGED_PREFIX = "0."


@contextmanager
def staged_version(folder: Path) -> Iterator[Path]:
    """A folder to write version 1 into, inside the model's; what is not put in place is gone afterwards."""
    created = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    staged = Path(tempfile.mkdtemp(prefix=_STAGED_PREFIX, dir=folder))
    try:
        # mkdtemp makes folders that only their owner can enter; a server under another user reads this one.
        staged.chmod(0o755)
        yield staged
    finally:
        shutil.rmtree(staged, ignore_errors=True)
        with suppress(OSError):
            for each in created:
                # Those that are not empty stay, and end this.
                each.rmdir()


def put_in_place(folder: Path, staged: Path, manifest: str) -> Path:
    """Make the staged folder the model's version 1, with its manifest; returns the version folder.

    An error halfway puts the former version back.
    """
    version, described = folder / VERSION, folder / f"{_STAGED_PREFIX}{MANIFEST_FILE}"
    retired = Path(tempfile.mkdtemp(prefix=_STAGED_PREFIX, dir=folder))
    try:
        described.write_text(manifest, encoding="utf-8")
        if version.exists():
            version.rename(retired / VERSION)
        staged.rename(version)
        described.rename(folder / MANIFEST_FILE)
    except BaseException:
        if version.exists() and not staged.exists():
            version.rename(staged)
        if (retired / VERSION).exists():
            (retired / VERSION).rename(version)
        raise
    finally:
        described.unlink(missing_ok=True)
        shutil.rmtree(retired, ignore_errors=True)
    return version
