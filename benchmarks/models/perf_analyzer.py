"""Finds perf_analyzer, the program in the client's wheel, and runs it against one model of a server.

As its figures can be trusted: windows by count, stable within 5 % in throughput and p99, warmed up, real inputs,
gRPC. Where a noisy machine never gets stable within the tries, any three windows are taken and called unstable.

Not used: `--profile-export-file`, which would hold every request's input (171 MB for 1,500 small pictures), and
`--request-count`, whose requests this release divides by whole seconds, whenever the last one ended.
"""

from __future__ import annotations

import asyncio
import dataclasses
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.models.loads import Load
from benchmarks.models.perf_report import Served, is_unstable, read_report, read_windows
from benchmarks.models.running import run_program
from contracts.errors import ConfigurationError, DependencyFailed, Overloaded
from stack.servers.triton import ServingEnvironment

STABILITY_PERCENT = 5
MAX_TRIALS = 5
# perf_analyzer compares three windows in a row (inference_profiler.cc); this far apart, any three agree.
WINDOWS = 3
ANY_PERCENT = 1_000_000
# Beyond all windows: a model of ten rows a second that is asked for 500.
RUN_TIMEOUT_S = 120.0
PACKAGE = "libb64-0d"
_QUEUE_FULL = "Exceeds maximum queue size"


@dataclass(frozen=True, slots=True)
class Requests:
    """How many to send: before anything is counted, and at least in a window, which lasts whole seconds."""

    warm_up: int
    window: int


@dataclass(frozen=True, slots=True)
class PerfAnalyzer:
    """The program, and the server that it asks.

    Args:
        libraries: folder with what the program needs and the system lacks.
        address: host:port of Triton's gRPC door.
    """

    program: Path
    libraries: Path
    address: str = ""

    async def version(self) -> str:
        """As "2.51.0".

        Raises:
            ConfigurationError: it does not run here; says what is missing.
        """
        finished = await run_program((str(self.program), "--version"), self._environment(), RUN_TIMEOUT_S)
        if "libb64" in finished.errors:
            raise ConfigurationError(
                f"perf_analyzer needs the library libb64.so.0d. To install: sudo apt-get install {PACKAGE}"
            )
        found = re.search(r"Version (\S+)", finished.output + finished.errors)
        if found is None:
            raise ConfigurationError(f"perf_analyzer does not run here: {finished.last_words()}")
        return found.group(1)

    async def measure(self, model: str, inputs: Path, load: Load, requests: Requests) -> Served:
        """Windows until three in a row agree; else any three, called unstable.

        Raises:
            Overloaded: the server's bounded queue was full; perf_analyzer ends at the first request refused.
            DependencyFailed: the server or perf_analyzer failed.
        """
        steady = await self._run(model, inputs, load, requests, STABILITY_PERCENT, MAX_TRIALS)
        if isinstance(steady, Served):
            return steady
        any_three = await self.measure_any(model, inputs, load, requests)
        return dataclasses.replace(any_three, stability="unstable", windows=steady + any_three.windows)

    async def measure_any(self, model: str, inputs: Path, load: Load, requests: Requests) -> Served:
        """Three windows, however they differ: for rounds that repeat them themselves. Raises as `measure`."""
        served = await self._run(model, inputs, load, requests, ANY_PERCENT, WINDOWS)
        if not isinstance(served, Served):
            raise DependencyFailed("perf_analyzer", f"perf_analyzer got no answer from {model} in a whole window.")
        return dataclasses.replace(served, stability="any")

    async def _run(
        self, model: str, inputs: Path, load: Load, requests: Requests, percent: int, trials: int
    ) -> Served | tuple[tuple[float, float], ...]:
        """The figures, or the windows that did not agree."""
        with tempfile.TemporaryDirectory(prefix="perf-") as folder:
            report = Path(folder) / "report.csv"
            command = (
                str(self.program),
                *("-m", model, "-i", "grpc", "-u", self.address, "--input-data", str(inputs)),
                # One sending thread: the server needs the cores.
                *("--async", "--max-threads", "1", "--percentile", "99"),
                *("--warmup-request-count", str(requests.warm_up), *load.arguments()),
                *("--measurement-mode", "count_windows", "--measurement-request-count", str(requests.window)),
                *("--stability-percentage", str(percent), "--max-trials", str(trials)),
                *("-v", "--verbose-csv", "-f", str(report)),
            )
            finished = await run_program(command, self._environment(), RUN_TIMEOUT_S)
            if report.is_file():
                table = await asyncio.to_thread(report.read_text)
                return read_report(table, finished.output, finished.errors)
        if is_unstable(finished.errors):
            return read_windows(finished.output)
        if _QUEUE_FULL in finished.errors:
            raise Overloaded(f"The server refused requests for {model}: its queue was full.")
        raise DependencyFailed("perf_analyzer", f"perf_analyzer failed on {model}: {finished.last_words()}")

    def _environment(self) -> Mapping[str, str]:
        return {"LD_LIBRARY_PATH": str(self.libraries), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}


def find_perf_analyzer(environment: Path, serving: ServingEnvironment, libraries: Path) -> PerfAnalyzer:
    """The program of the environment of requirements/perf.txt.

    It is linked with CUDA's runtime library, which it does not use here: `libraries` gets a link to the one in the
    server's wheel.

    Raises:
        ConfigurationError: one of the two environments is not set up.
    """
    program = environment / "bin" / "perf_analyzer"
    found = sorted((serving.site_packages / "nvidia_pytriton.libs").glob("libcudart*.so.12*"))
    if not program.is_file() or not found:
        raise ConfigurationError("perf_analyzer is not set up: run `make perf-environment`.")
    libraries.mkdir(parents=True, exist_ok=True)
    link = libraries / "libcudart.so.12"
    link.unlink(missing_ok=True)
    link.symlink_to(found[0].resolve())
    return PerfAnalyzer(program, libraries)
