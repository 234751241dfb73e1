"""Trireme's own processes as specs: command, an environment built from nothing, and where to ask for health."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass

from stack.home import CHECKOUT
from stack.ports import LOOPBACK
from stack.process import ProcessSpec, ReadyProbe

READY_TIMEOUT_S = 90.0
PROBE_TIMEOUT_S = 3.0
# What a child may see of the caller's environment: no setting of ours hides in it.
_PASSED_ON = ("PATH", "HOME", "TMPDIR", "TESSDATA_PREFIX", "TZ")
# Where spans are sent, and how: OTEL_EXPORTER_OTLP_ENDPOINT, _HEADERS, _CERTIFICATE and so on.
_COLLECTOR = "OTEL_EXPORTER_OTLP_"


@dataclass(frozen=True, slots=True)
class Service:
    """One Python process of ours.

    Args:
        settings: its `TRIREME_*` variables without the prefix, in lower case.
        port: where /readyz answers.
        niceness: 0 for what a search waits for; more for work that should get what is left of the processors.
    """

    name: str
    module: str
    settings: Mapping[str, str]
    port: int
    depends_on: tuple[str, ...]
    stop_timeout_s: float = 10.0
    niceness: int = 0


def service_spec(service: Service) -> ProcessSpec:
    """The spec of one of our processes."""
    return ProcessSpec(
        name=service.name,
        argv=(*_nice(service.niceness), sys.executable, "-m", service.module),
        env=service_environment({"process": service.name, **service.settings}),
        cwd=CHECKOUT,
        ports={"http": service.port},
        ready=http_ready(service.port),
        ready_timeout_s=READY_TIMEOUT_S,
        stop_timeout_s=service.stop_timeout_s,
        depends_on=service.depends_on,
    )


def _nice(niceness: int) -> tuple[str, ...]:
    """`nice` becomes the program that it is told to run, so the process id stays the same."""
    return ("/usr/bin/nice", "-n", str(niceness)) if niceness else ()


def service_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """The whole environment of one of our processes.

    Ten of them share the machine: one thread each for maths, and two malloc arenas instead of eight a core, which
    would otherwise keep freed memory.
    """
    passed_on = {
        name: value for name, value in os.environ.items() if name in _PASSED_ON or name.startswith(_COLLECTOR)
    }
    return {
        "HOME": tempfile.gettempdir(),
        **passed_on,
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "PYTHONNOUSERSITE": "1",
        "OMP_NUM_THREADS": "1",
        "OMP_THREAD_LIMIT": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MALLOC_ARENA_MAX": "2",
        "TOKENIZERS_PARALLELISM": "false",
        **{f"TRIREME_{name.upper()}": value for name, value in settings.items()},
    }


def http_ready(port: int, path: str = "/readyz") -> ReadyProbe:
    """A probe that is true when GET `path` on this loopback port answers 200."""

    async def ready() -> bool:
        try:
            async with asyncio.timeout(PROBE_TIMEOUT_S):
                return await _get_status(port, path) == 200
        except (OSError, TimeoutError, ValueError, IndexError):
            return False

    return ready


async def _get_status(port: int, path: str) -> int:
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {LOOPBACK}\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        status_line = await reader.readline()
        return int(status_line.split()[1])
    finally:
        writer.close()
