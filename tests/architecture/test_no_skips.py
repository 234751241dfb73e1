"""Where nothing may be skipped, a skipped integration test is a failed one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from stack.home import CHECKOUT
from tests.no_skips import VARIABLE

TESTS = """
import pytest

@pytest.mark.integration
def test_marked():
    pytest.skip("no server")

def test_unmarked():
    pytest.skip("no graphics card")
"""


@pytest.mark.parametrize(("value", "status"), [("", 0), ("1", 1)])
def test_only_a_skipped_integration_test_fails_and_only_when_asked(
    tmp_path: Path, value: str, status: int
) -> None:
    (tmp_path / "test_one.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n    integration: starts servers\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.no_skips", "-rA", str(tmp_path)],
        cwd=tmp_path,
        env={**os.environ, VARIABLE: value, "PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == status, done.stdout
    assert ("1 failed, 1 skipped" in done.stdout) == bool(value)
    assert ("was skipped, and NO_SKIPS is set: no server" in done.stdout) == bool(value)
