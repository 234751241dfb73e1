"""Asks the engine in process (`engine_worker.py`) for its speed and its vectors."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.models.real_inputs import RealInputs
from benchmarks.models.subjects import Subject
from contracts.errors import DeadlineExceeded, DependencyFailed
from stack.servers.triton import ServingEnvironment, server_environment

WORKER = Path(__file__).with_name("engine_worker.py")
# Opening a graph of 350 MB, and a pass over the inputs to warm up.
OPEN_TIMEOUT_S = 120.0
ANSWER_TIMEOUT_S = 60.0
_ERRORS = "errors.txt"


@dataclass(frozen=True, slots=True)
class Alone:
    """The engine's speed in process with one way of batching.

    Args:
        way: see `RealInputs.ways`.
        median_ms: of a batch.
        cores: in use on average. Fewer than the engine has threads: something else had them.
    """

    way: str
    items_per_s: float
    median_ms: float
    cores: float


class InProcess:
    """A started worker. One question at a time."""

    def __init__(self, process: asyncio.subprocess.Process, scratch: Path) -> None:
        self._process = process
        self._scratch = scratch
        self.engine = ""

    async def open(self) -> None:
        """Wait until it is warm.

        Raises:
            DependencyFailed: the engine cannot run the graph. DeadlineExceeded: it took too long.
        """
        self.engine = str((await self._answer(OPEN_TIMEOUT_S))["engine"])

    async def measure(self, way: str, seconds: float) -> Alone:
        """Speed over whole passes for about `seconds`. Raises as `open`."""
        told = await self._ask({"way": way, "seconds": seconds}, seconds + ANSWER_TIMEOUT_S)
        return Alone(way, **told)

    async def vectors(self) -> NDArray[np.float32]:
        """The vector of every row of the inputs, run one by one. Raises as `open`."""
        file = self._scratch / "vectors.npy"
        await self._ask({"vectors": str(file)}, ANSWER_TIMEOUT_S)
        found: NDArray[np.float32] = np.load(file)
        return found

    async def _ask(self, question: Mapping[str, Any], timeout_s: float) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(question).encode() + b"\n")
        return await self._answer(timeout_s)

    async def _answer(self, timeout_s: float) -> dict[str, Any]:
        assert self._process.stdout is not None
        try:
            line = await asyncio.wait_for(self._process.stdout.readline(), timeout_s)
        except TimeoutError as exc:
            raise DeadlineExceeded("The engine in process did not answer in time.") from exc
        if not line:
            errors = (self._scratch / _ERRORS).read_text(errors="replace").split("\n")
            reason = next((line for line in reversed(errors) if line.strip()), "it gave no reason")
            raise DependencyFailed("engine", f"The engine in process ended: {reason.strip()}")
        told: dict[str, Any] = json.loads(line)
        return told


@asynccontextmanager
async def in_process(
    subject: Subject, inputs: RealInputs, serving: ServingEnvironment, scratch: Path
) -> AsyncIterator[InProcess]:
    """The model opened and warm in a process of its own, with the server's engine, threads and environment.

    Raises:
        DependencyFailed, DeadlineExceeded: see `InProcess.open`.
    """
    folder = scratch / f"in-process-{subject.model}"
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {
        f"{way}:{number}:{name}": value
        for way, batches in inputs.ways().items()
        for number, feeds in enumerate(batches)
        for name, value in feeds.items()
    }
    np.savez(folder / "inputs.npz", **arrays)  # type: ignore[arg-type]
    command = (str(serving.root / "bin" / "python"), str(WORKER), str(subject.graph), str(folder / "inputs.npz"))
    with (folder / _ERRORS).open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            *command,
            *("--engine", subject.engine, "--threads", str(subject.threads)),
            env=server_environment(serving),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )
    try:
        worker = InProcess(process, folder)
        await worker.open()
        yield worker
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
