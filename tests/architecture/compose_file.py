"""docker-compose.yml as tests read it: parsed, with placeholders filled in as Compose would fill them in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
# ${NAME}, ${NAME:-default} and ${NAME:?message}; the other forms of the specification are not used.
PLACEHOLDER = re.compile(r"\$\{(?P<name>[A-Z][A-Z0-9_]*)(?::(?P<kind>[-?])(?P<rest>[^}]*))?\}")


def raw_text() -> str:
    """The file's text, without its comments."""
    lines = (ROOT / "docker-compose.yml").read_text().splitlines()
    return "\n".join(line for line in lines if not line.lstrip().startswith("#"))


def placeholders() -> dict[str, str]:
    """Every variable that the file reads, and how: "-" has a default, "?" is required, "" is neither."""
    return {match["name"]: match["kind"] or "" for match in PLACEHOLDER.finditer(raw_text())}


def load(values: Mapping[str, str]) -> dict[str, Any]:
    """The file with its placeholders filled in from `values`.

    Raises:
        KeyError: a required variable is missing or empty.
    """

    def fill(match: re.Match[str]) -> str:
        if value := values.get(match["name"]):
            return value
        if match["kind"] == "-":
            return str(match["rest"])
        raise KeyError(match["name"])

    document: dict[str, Any] = yaml.safe_load(PLACEHOLDER.sub(fill, raw_text()))
    return document


def environment_file(path: Path) -> dict[str, str]:
    """Names and values of an .env file."""
    lines = path.read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
