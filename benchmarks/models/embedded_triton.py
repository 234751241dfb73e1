"""An embedded Triton for the time of a measurement: one repository, on loopback, nothing else of the stack."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import tritonclient.grpc.aio as triton

from contracts.errors import DependencyDown, DependencyFailed, NotFound
from stack.child import Child, rotate_log, start_child
from stack.ports import LOOPBACK, free_ports
from stack.servers.triton import TritonPorts, assemble_backends, backends_current, triton_spec
from stack.servers.triton_control import model_control
from stack.setup_paths import SetupPaths

_POLL_S = 0.1
_KEPT_LOG = 400


@dataclass(frozen=True, slots=True)
class Running:
    """Where it answers, the process whose children run the models, and its version.

    Args:
        refused: models that it could not load, with its reason.
    """

    address: str
    pid: int
    version: str
    refused: Mapping[str, str]


@asynccontextmanager
async def embedded_triton(
    paths: SetupPaths, repository: Path, models: Sequence[str], run_dir: Path
) -> AsyncIterator[Running]:
    """A server in which each of these models answers, or is named as refused. Its log stays in `run_dir`.

    Raises:
        DependencyDown: it did not get ready; the message ends with its log's last words.
    """
    if not backends_current(paths.serving, paths.own_backends, paths.backends):
        assemble_backends(paths.serving, paths.own_backends, paths.backends)
    ports = TritonPorts(*free_ports(3))
    # None at the start: one that cannot be loaded would end the server.
    spec = triton_spec(
        environment=paths.serving,
        repository=repository,
        backends=paths.backends,
        run_dir=run_dir,
        ports=ports,
        models=(),
    )
    log = run_dir / "triton.log"
    rotate_log(log)
    child = await start_child(spec, log)
    address = f"{LOOPBACK}:{ports.grpc}"
    try:
        await _until_ready(child, log)
        refused = await _load(address, models)
        await _until_ready(child, log)
        async with triton.InferenceServerClient(address) as client:
            version = str((await client.get_server_metadata()).version)
        yield Running(address, child.pid, version, refused)
    finally:
        await child.stop()


async def _load(address: str, models: Sequence[str]) -> dict[str, str]:
    """Load one after the other; returns the reasons of those that cannot be."""
    refused: dict[str, str] = {}
    async with model_control(address) as control:
        for model in models:
            try:
                await control.load(model)
            except (NotFound, DependencyFailed) as exc:
                refused[model] = exc.message
    return refused


async def _until_ready(child: Child, log: Path) -> None:
    """Wait until it listens, and all that it has loaded answers."""
    ready = child.spec.ready
    assert ready is not None
    deadline = time.monotonic() + child.spec.ready_timeout_s
    while child.process.returncode is None and time.monotonic() < deadline:
        if await ready():
            return
        await asyncio.sleep(_POLL_S)
    told = " ".join((await asyncio.to_thread(log.read_text, errors="replace"))[-_KEPT_LOG:].split())
    raise DependencyDown("triton", f"The embedded Triton did not get ready: {told}")
