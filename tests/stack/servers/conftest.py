"""Starts real servers for the tests of this folder and ends them: what was started, by its process group."""

import asyncio
import os
import shutil
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import onnx
import pytest

from contracts.tensors import CLIP_IMAGE, CLIP_IMAGE_DISTILLED, CLIP_TEXT_DISTILLED, MODELS
from stack.ports import free_ports
from stack.process import ProcessSpec
from stack.servers.triton import TritonPorts, exported_models, triton_spec
from stack.setup_paths import SetupPaths

PATHS = SetupPaths()
DEMO_MODELS = set(MODELS) - {CLIP_TEXT_DISTILLED}
"""What `make setup` exports."""


def needs(there: bool, what: str) -> None:
    """Skip unless the set-up has been run here."""
    if not there:
        pytest.skip(f"{what} is not set up: run `make setup`")


@contextmanager
def started(spec: ProcessSpec, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run the process of `spec` with its output in `log`; ends its whole group."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            spec.argv, env=dict(spec.env), cwd=spec.cwd, stdout=out, stderr=out, start_new_session=True
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(spec.stop_signal)
        with suppress(subprocess.TimeoutExpired):
            process.wait(spec.stop_timeout_s)
        # The server itself, or a model's process that outlived it.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)


async def becomes_ready(spec: ProcessSpec, process: subprocess.Popen[bytes]) -> bool:
    """Ask until it is ready, has ended, or its time is over."""
    assert spec.ready is not None
    deadline = time.monotonic() + spec.ready_timeout_s
    while time.monotonic() < deadline and process.poll() is None:
        if await spec.ready():
            return True
        await asyncio.sleep(0.1)
    return False


def last_words(log: Path) -> str:
    return log.read_text(errors="replace")[-3000:]


@asynccontextmanager
async def running(spec: ProcessSpec, log: Path) -> AsyncIterator[subprocess.Popen[bytes]]:
    """`started`, and ready."""
    with started(spec, log) as process:
        assert await becomes_ready(spec, process), last_words(log)
        yield process


@pytest.fixture(scope="session")
def triton(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProcessSpec]:
    """A real Triton with every exported model of the contract, for all tests of the run."""
    models = sorted(set(MODELS) & set(exported_models(PATHS.repository)))
    needs(set(models) >= DEMO_MODELS and PATHS.backends.is_dir(), "Triton or a model")
    folder = tmp_path_factory.mktemp("triton")
    spec = triton_spec(
        environment=PATHS.serving,
        repository=PATHS.repository,
        backends=PATHS.backends,
        run_dir=folder,
        ports=TritonPorts(*free_ports(3)),
        models=models,
    )
    log = folder / "log"
    with started(spec, log) as process:
        assert asyncio.run(becomes_ready(spec, process)), last_words(log)
        yield spec


@dataclass(frozen=True, slots=True)
class OwnTriton:
    """A real Triton whose repository a test may change."""

    spec: ProcessSpec
    repository: Path

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.spec.ports['grpc']}"


@pytest.fixture(scope="module")
def own_triton(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnTriton]:
    """The picture towers and the space's description, for the tests of one file."""
    needs(set(exported_models(PATHS.repository)) >= DEMO_MODELS and PATHS.backends.is_dir(), "Triton or a model")
    folder = tmp_path_factory.mktemp("own-triton")
    repository = folder / "models"
    for model in (CLIP_IMAGE, CLIP_IMAGE_DISTILLED, CLIP_TEXT_DISTILLED):
        shutil.copytree(PATHS.repository / model, repository / model)
    shutil.copy(PATHS.repository / "space.json", repository)
    spec = triton_spec(
        environment=PATHS.serving,
        repository=repository,
        backends=PATHS.backends,
        run_dir=folder,
        ports=TritonPorts(*free_ports(3)),
    )
    log = folder / "log"
    with started(spec, log) as process:
        assert asyncio.run(becomes_ready(spec, process)), last_words(log)
        yield OwnTriton(spec, repository)


def negated(graph: Path, target: Path) -> None:
    """Write a graph that gives the vectors of `graph` with the opposite sign."""
    model = onnx.load(graph)
    (output,) = model.graph.output
    for node in model.graph.node:
        node.output[:] = [f"{name}_before" if name == output.name else name for name in node.output]
    model.graph.node.append(onnx.helper.make_node("Neg", [f"{output.name}_before"], [output.name]))
    target.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, target)
