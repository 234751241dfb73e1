"""A tiny Llama, exported in the export environment, for all that is served here."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from stack.home import CHECKOUT
from tests.stack.servers.conftest import PATHS, needs

EXPORT_PYTHON = CHECKOUT / ".venv-export" / "bin" / "python"
EXPORT_TIMEOUT_S = 180.0


@pytest.fixture(scope="session")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """`repository/llama`, as for a CPU, `paged/llama`, as for a GPU, and what transformers answers."""
    needs(PATHS.serving.executable.is_file(), "Triton")
    if not EXPORT_PYTHON.is_file():
        pytest.skip("the export environment is not there: run `make test-integration`")
    folder = tmp_path_factory.mktemp("llama")
    made = subprocess.run(
        [str(EXPORT_PYTHON), "-m", "tests.export.llama.tiny", str(folder)],
        cwd=CHECKOUT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=EXPORT_TIMEOUT_S,
        check=False,
    )
    assert made.returncode == 0, made.stderr[-3000:]
    yield folder
    shutil.rmtree(folder, ignore_errors=True)
