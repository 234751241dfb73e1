"""The model in front of TensorRT-LLM on a real Triton, with a stand-in behind it that has upstream's tensors."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from contracts.tensors import LLAMA
from runtime.triton import TritonClient
from stack.home import CHECKOUT
from stack.ports import free_ports
from stack.process import ProcessSpec
from stack.servers.triton import TritonPorts, assemble_backends, triton_spec
from tests.deploy.genai.conftest import Llama, configured_with
from tests.stack.servers.conftest import PATHS, becomes_ready, last_words, started

TRTLLM = CHECKOUT / "deploy" / "triton" / "trtllm"
WRITER = "tensorrt_llm"
SLOTS, WAITING = 4, 12
# NVIDIA's image has these; the embedded server's environment has not.
PACKAGES = ("tokenizers", "jinja2", "markupsafe")


@pytest.fixture(scope="session")
def front_server(exports: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProcessSpec]:
    folder = tmp_path_factory.mktemp("trtllm")
    repository = folder / "repository"
    version = Path(shutil.copytree(TRTLLM / LLAMA, repository / LLAMA)) / "1"
    shutil.copytree(Path(__file__).parent / "stand_in", repository / WRITER)
    (site,) = (CHECKOUT / ".venv-export" / "lib").glob("python3.*/site-packages")
    for package in PACKAGES:
        (version / package).symlink_to(site / package)
    (version / "tokenizer").symlink_to(exports / "checkpoint")
    config = repository / LLAMA / "config.pbtxt"
    config.write_text(configured_with(config.read_text(), slots=SLOTS, max_queue_size=WAITING, max_tokens=100_000))
    spec = triton_spec(
        environment=PATHS.serving,
        repository=repository,
        backends=assemble_backends(PATHS.serving, PATHS.own_backends, folder / "backends"),
        run_dir=folder,
        ports=TritonPorts(*free_ports(3)),
    )
    with started(spec, folder / "log") as process:
        assert asyncio.run(becomes_ready(spec, process)), last_words(folder / "log")
        yield spec


@pytest.fixture
async def front(front_server: ProcessSpec) -> AsyncIterator[Llama]:
    client = TritonClient(f"127.0.0.1:{front_server.ports['grpc']}")
    yield Llama(client)
    await client.close()
