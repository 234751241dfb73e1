"""Whose processor time a run took: perf_analyzer's, the server's, or the models' own processes.

On few cores this explains a ratio: what the client burns, the model does not get.
"""

from __future__ import annotations

import contextlib
import resource
import time
from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True)
class CpuUse:
    """Cores in use on average, by whom. `client` is every program that ended meanwhile: perf_analyzer."""

    client: float
    server: float
    models: float

    def __str__(self) -> str:
        return f"{self.client:.2f} / {self.server:.2f} / {self.models:.2f}"


class CpuMeter:
    """Starts counting when made."""

    def __init__(self, server_pid: int) -> None:
        self._server = psutil.Process(server_pid)
        self._models = self._server.children(recursive=True)
        self._before = self._seconds()
        self._began = time.perf_counter()

    def read(self) -> CpuUse:
        """Cores in use since it was made."""
        wall_s = time.perf_counter() - self._began
        client, server, models = (
            (now - before) / wall_s for now, before in zip(self._seconds(), self._before, strict=True)
        )
        return CpuUse(client, server, models)

    def _seconds(self) -> tuple[float, float, float]:
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        return ended.ru_utime + ended.ru_stime, _used(self._server), sum(_used(each) for each in self._models)


def _used(process: psutil.Process) -> float:
    with contextlib.suppress(psutil.NoSuchProcess):
        times = process.cpu_times()
        return float(times.user + times.system)
    return 0.0
