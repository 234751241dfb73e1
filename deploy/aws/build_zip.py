"""Packs the Lambda function: pinned, hashed packages for the runtime's Python, and our own modules. `make lambda`.

The same inputs give the same bytes, so a deployment can tell whether anything has changed.
"""

import argparse
import hashlib
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
ROOMS = ("contracts", "runtime", "ingest")
# Amazon Linux 2023, on which Lambda runs Python 3.12 and later, has glibc 2.34. The wheel of confluent-kafka asks
# for 2.28, so the older runtimes on Amazon Linux 2 (2.26) cannot load it.
PLATFORM = "x86_64-manylinux_2_28"
PYTHON = "3.13"
LEFT_OUT = ("__pycache__", "bin", "tests")
# The earliest time that a zip can hold.
WHEN = (1980, 1, 1, 0, 0, 0)


def install(into: Path, python_version: str) -> None:
    """Put the packages for this Python on Lambda's machines into a folder; wheels only, hashes required."""
    command = ["sh", str(CHECKOUT / "scripts" / "uv.sh"), "pip", "install", "--quiet", "--target", str(into)]
    target = ["--python-version", python_version, "--python-platform", PLATFORM, "--only-binary", ":all:"]
    pinned = ["--require-hashes", "-r", str(CHECKOUT / "requirements" / "lambda.txt")]
    subprocess.run([*command, *target, *pinned], check=True)


def contents(packages: Path) -> Iterator[tuple[str, Path]]:
    """Names in the zip and their files, packages first."""
    for path in sorted(packages.rglob("*")):
        inside = path.relative_to(packages)
        if path.is_file() and not any(part in LEFT_OUT for part in inside.parts) and path.suffix != ".pyi":
            yield inside.as_posix(), path
    for room in ROOMS:
        for path in sorted((CHECKOUT / room).rglob("*.py")):
            yield path.relative_to(CHECKOUT).as_posix(), path


def build(target: Path, python_version: str) -> str:
    """Write the zip and return its SHA-256 in hex."""
    with tempfile.TemporaryDirectory() as folder:
        packages = Path(folder)
        install(packages, python_version)
        target.parent.mkdir(parents=True, exist_ok=True)
        staged = target.with_suffix(".new")
        with zipfile.ZipFile(staged, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
            for name, path in contents(packages):
                info = zipfile.ZipInfo(name, WHEN)
                info.compress_type = zipfile.ZIP_DEFLATED
                info.external_attr = 0o644 << 16
                with path.open("rb") as source, archive.open(info, "w") as sink:
                    shutil.copyfileobj(source, sink)
        staged.replace(target)
    return hashlib.sha256(target.read_bytes()).hexdigest()


def main() -> None:
    """Build it and say what was built."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", default=PYTHON, help="version of Lambda's Python runtime")
    parser.add_argument("--output", type=Path, default=CHECKOUT / "dist" / "s3_lambda.zip")
    arguments = parser.parse_args()
    sha256 = build(arguments.output, arguments.python)
    size_mb = arguments.output.stat().st_size / 1e6
    print(f"{arguments.output}: {size_mb:.1f} MB, runtime python{arguments.python}, x86_64, sha256 {sha256}")
    print("handler: ingest.s3_lambda.handler")


if __name__ == "__main__":
    main()
