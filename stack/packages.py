"""Pinned packages into folders of their own: Python environments, single wheels, the broker's jars.

What is there already is told by a stamp that holds a hash of the pins, so that asking costs a millisecond.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from contracts.errors import ConfigurationError

INSTALL_TIMEOUT_S = 540.0
STAMP = ".pins"


def is_installed(folder: Path, pins: Path) -> bool:
    """Whether the folder was filled from just these pins."""
    try:
        return (folder / STAMP).read_text() == _hash(pins)
    except OSError:
        return False


def install_environment(environment: Path, pins: Path, checkout: Path) -> None:
    """Make a Python 3.11 environment with exactly the pinned packages.

    Raises:
        ConfigurationError: making it failed; the message ends with the tool's own words.
    """
    uv = _uv(checkout)
    _run(
        (*uv, "venv", "--quiet", "--allow-existing", "--python", "3.11", str(environment)), "making an environment"
    )
    _run(
        (*uv, "pip", "install", "--quiet", "--python", str(environment), *_pinned(pins)),
        f"installing {pins.name}",
    )
    _stamp(environment, pins)


def install_wheels(folder: Path, pins: Path, checkout: Path) -> None:
    """Unpack the pinned wheels into a folder, without what they depend on.

    Raises:
        ConfigurationError: as `install_environment`.
    """
    staged = _emptied(folder.with_name(f"{folder.name}.new"))
    command = (*_uv(checkout), "pip", "install", "--quiet", "--python-version", "3.11", "--target", str(staged))
    _run((*command, *_pinned(pins)), f"installing {pins.name}")
    _stamp(staged, pins)
    _replace(folder, staged)


def install_jars(folder: Path, pom: Path) -> None:
    """Copy the jars that the pom names, and what they depend on, into the folder. Maven checks the checksums.

    Raises:
        ConfigurationError: Maven is missing or failed.
    """
    maven = shutil.which("mvn")
    if maven is None:
        raise ConfigurationError(
            "Maven is missing: install it (Debian: apt-get install maven), or use `--broker mock`."
        )
    staged = _emptied(folder.with_name(f"{folder.name}.new"))
    options = ("--quiet", "--batch-mode", "--strict-checksums", "-Dstyle.color=never", "-f", str(pom))
    goal = ("dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={staged}")
    _run((maven, *options, *goal), "fetching the broker's jars")
    _stamp(staged, pom)
    _replace(folder, staged)


def _pinned(pins: Path) -> tuple[str, ...]:
    return ("--no-deps", "--require-hashes", "-r", str(pins))


def _uv(checkout: Path) -> tuple[str, ...]:
    """uv from PATH, else through the checkout's script that fetches it."""
    found = shutil.which("uv")
    return (found,) if found else ("sh", str(checkout / "scripts" / "uv.sh"))


def _run(command: Sequence[str], what: str) -> None:
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise ConfigurationError(f"Set-up failed at {what}: it did not run, or took too long.") from exc
    if result.returncode != 0:
        told = (result.stderr.strip() or result.stdout.strip())[-600:]
        raise ConfigurationError(f"Set-up failed at {what}: {told}")


def _hash(pins: Path) -> str:
    return hashlib.sha256(pins.read_bytes()).hexdigest()


def _stamp(folder: Path, pins: Path) -> None:
    (folder / STAMP).write_text(_hash(pins))


def _emptied(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _replace(folder: Path, staged: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    staged.rename(folder)
