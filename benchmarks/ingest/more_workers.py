"""Further embedder processes beside those of a running stack, with the same settings."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import psutil

from stack.layout import TEXT_EMBEDDER, VISION_EMBEDDER
from stack.ports import free_ports
from stack.services import http_ready
from stack.state import StackState

_READY_TIMEOUT_S = 60.0


@contextlib.asynccontextmanager
async def more_workers(state: StackState, each: int, logs: Path) -> AsyncIterator[list[int]]:
    """`each` more text and vision embedders, for as long as the block lasts; gives their process ids."""
    started: list[subprocess.Popen[bytes]] = []
    with contextlib.ExitStack() as files:
        try:
            for name in (TEXT_EMBEDDER, VISION_EMBEDDER):
                for number in range(each):
                    started.append(await _start(state, name, f"{name}-more-{number}", logs, files))
            yield [process.pid for process in started]
        finally:
            for process in started:
                process.terminate()
            for process in started:
                await asyncio.to_thread(process.wait, _READY_TIMEOUT_S)


async def _start(
    state: StackState, model: str, name: str, logs: Path, files: contextlib.ExitStack
) -> subprocess.Popen[bytes]:
    pid = state.process(model).pid
    assert pid is not None
    like, [port] = psutil.Process(pid), free_ports(1)
    environment = like.environ() | {"TRIREME_PROCESS": name, "TRIREME_HEALTH_PORT": str(port)}
    log = files.enter_context((logs / f"{name}.log").open("wb"))
    command = ["/usr/bin/nice", "-n", str(like.nice()), *like.cmdline()]
    process = subprocess.Popen(  # noqa: ASYNC220 - it is started once, and Popen returns at once
        command, env=environment, cwd=like.cwd(), stdout=log, stderr=log
    )
    ready = http_ready(port)
    async with asyncio.timeout(_READY_TIMEOUT_S):
        while not await ready():  # noqa: ASYNC110 - another process becomes ready
            await asyncio.sleep(0.2)
    return process
