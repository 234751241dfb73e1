"""`trireme distil` runs the export environment's Python, and says so when that is missing."""

import sys
from pathlib import Path

import pytest

from cli.distil import run_in_export
from contracts.errors import ConfigurationError


def test_a_missing_export_environment_is_named_with_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"PyTorch.*make \.venv-export"):
        run_in_export(tmp_path / "bin" / "python", ["--demo"])


def test_the_trainings_exit_status_is_handed_on(tmp_path: Path) -> None:
    # A Python that is asked for its version ends well, one that is asked for an unknown option does not.
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$3"\n')
    python.chmod(0o755)
    assert run_in_export(python, ["--version"]) == 0
    assert run_in_export(python, ["--no-such-option"]) != 0
