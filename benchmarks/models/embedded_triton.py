"""An embedded Triton for the time of a measurement: one repository, on loopback, nothing else of the stack."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import tritonclient.grpc.aio as triton
from tritonclient.utils import InferenceServerException

from contracts.errors import DependencyDown
from stack.child import Child, rotate_log, start_child
from stack.ports import LOOPBACK, free_ports
from stack.servers.triton import TritonPorts, assemble_backends, backends_current, triton_spec
from stack.servers.triton_probe import probe_models
from stack.setup_paths import SetupPaths

LOAD_TIMEOUT_S = 120.0
_POLL_S = 0.1
_KEPT = 400


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
    address = f"{LOOPBACK}:{ports.grpc}"
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
    try:
        async with triton.InferenceServerClient(address) as client:
            await _until(child, log, client.is_server_ready)
            refused = await _load(client, models)
            version = str((await client.get_server_metadata()).version)
        loaded = [model for model in models if model not in refused]

        async def all_answer() -> bool:
            return not (await probe_models(address, loaded)).failed

        await _until(child, log, all_answer)
        yield Running(address, child.pid, version, refused)
    finally:
        await child.stop()


async def _load(client: triton.InferenceServerClient, models: Sequence[str]) -> dict[str, str]:
    """Load one after the other; returns the reasons of those that cannot be."""
    refused: dict[str, str] = {}
    for model in models:
        try:
            await client.load_model(model, client_timeout=LOAD_TIMEOUT_S)
        except InferenceServerException as exc:
            refused[model] = " ".join(str(exc.message()).split())[-_KEPT:]
    return refused


async def _until(child: Child, log: Path, condition: Callable[[], Awaitable[bool]]) -> None:
    deadline = time.monotonic() + child.spec.ready_timeout_s
    while child.process.returncode is None and time.monotonic() < deadline:
        try:
            if await condition():
                return
        except InferenceServerException:
            pass  # It does not listen yet.
        await asyncio.sleep(_POLL_S)
    told = " ".join((await asyncio.to_thread(log.read_text, errors="replace"))[-_KEPT:].split())
    raise DependencyDown("triton", f"The embedded Triton did not get ready: {told}")
