"""A seeded BLIP of two layers, exported in the environment that has torch, on a real Triton of its own."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from contracts.tensors import CAPTIONER
from stack.home import CHECKOUT
from stack.ports import free_ports
from stack.process import ProcessSpec
from stack.servers.triton import TritonPorts, assemble_backends, exported_models, triton_spec
from tests.stack.servers.conftest import DEMO_MODELS, PATHS, becomes_ready, last_words, needs, started

EXPORT_PYTHON = CHECKOUT / ".venv-export" / "bin" / "python"
EXPORT_TIMEOUT_S = 180.0
WAITING = 16


@dataclass(frozen=True)
class Reference:
    """A picture and what transformers says of it, greedily."""

    picture: Image.Image
    words: str
    tokens: list[int]


@dataclass(frozen=True)
class CaptionServer:
    """A server with the tiny captioner and the demo's encoders."""

    spec: ProcessSpec
    repository: Path
    references: tuple[Reference, ...]

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.spec.ports['grpc']}"


@pytest.fixture(scope="session")
def caption_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CaptionServer]:
    """The tiny captioner beside the demo's encoders, with captions as long as the references and a short queue."""
    needs(PATHS.serving.executable.is_file(), "Triton")
    needs(set(exported_models(PATHS.repository)) >= DEMO_MODELS, "A model")
    if not EXPORT_PYTHON.is_file():
        pytest.skip("the export environment is not there: run `make test-integration`")
    folder = tmp_path_factory.mktemp("captioner")
    made = subprocess.run(
        [str(EXPORT_PYTHON), "-m", "tests.export.captioner.tiny", str(folder)],
        cwd=CHECKOUT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=EXPORT_TIMEOUT_S,
        check=False,
    )
    assert made.returncode == 0, made.stderr[-3000:]
    repository = folder / "repository"
    for model in sorted(DEMO_MODELS):
        shutil.copytree(PATHS.repository / model, repository / model)
    shutil.copyfile(PATHS.repository / "space.json", repository / "space.json")
    config = repository / CAPTIONER / "config.pbtxt"
    text = config.read_text()
    for name, value in (("max_tokens", 12), ("max_queue_size", WAITING), ("intra_op_thread_count", 1)):
        before, after = text.split(f'key: "{name}" value {{ string_value: "')
        text = f'{before}key: "{name}" value {{ string_value: "{value}"' + after[after.index('"') + 1 :]
    config.write_text(text)
    spec = triton_spec(
        environment=PATHS.serving,
        repository=repository,
        backends=assemble_backends(PATHS.serving, PATHS.own_backends, folder / "backends"),
        run_dir=folder,
        ports=TritonPorts(*free_ports(3)),
    )
    said = json.loads((folder / "captions.json").read_text())
    pictures = [Image.open(path) for path in sorted((folder / "pictures").iterdir())]
    references = tuple(Reference(picture, **each) for picture, each in zip(pictures, said, strict=True))
    with started(spec, folder / "log") as process:
        assert asyncio.run(becomes_ready(spec, process)), last_words(folder / "log")
        yield CaptionServer(spec, repository, references)
    shutil.rmtree(folder, ignore_errors=True)
