"""How requests arrive: callers that wait for their answers, or arrivals at random times."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Callers:
    """A closed loop: each of `concurrency` callers sends its next `batch` rows when it has its answer."""

    concurrency: int
    batch: int = 1
    shared_memory: bool = False

    def __str__(self) -> str:
        through = ", shared memory" if self.shared_memory else ""
        return f"{self.concurrency} x {self.batch}{through}"

    def arguments(self) -> tuple[str, ...]:
        """For perf_analyzer's command line."""
        shared = ("--shared-memory", "system") if self.shared_memory else ()
        return ("--concurrency-range", str(self.concurrency), "-b", str(self.batch), *shared)


@dataclass(frozen=True, slots=True)
class Poisson:
    """An open loop: single rows arrive at random times, `rate_per_s` of them a second on average."""

    rate_per_s: float

    def __str__(self) -> str:
        return f"poisson {self.rate_per_s:.1f}/s"

    def arguments(self) -> tuple[str, ...]:
        """For perf_analyzer's command line."""
        return ("--request-rate-range", f"{self.rate_per_s:.3f}", "--request-distribution", "poisson")


Load = Callers | Poisson
