"""A model's figures, and what follows from them: medians over rounds, ratios within each round."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median

from benchmarks.models.cpu_use import CpuUse
from benchmarks.models.in_process import Alone
from benchmarks.models.loads import Callers, Poisson
from benchmarks.models.perf_report import Served
from benchmarks.models.real_inputs import ONE, SORTED, Padding
from benchmarks.models.subjects import Subject


@dataclass(frozen=True, slots=True)
class Round:
    """One turn: in process by way of batching, then served to one caller and at the best load."""

    alone: Mapping[str, Alone]
    single: Served
    best: Served


@dataclass(frozen=True, slots=True)
class Agreement:
    """Served vectors against those of the reference in process, over all inputs.

    Args:
        reference: model whose vectors they are; the model itself where its family has no fp32.
        cosines: of every input.
    """

    reference: str
    cosines: tuple[float, ...]

    def below(self, limit: float) -> int:
        """How many inputs agree less than that."""
        return sum(cosine < limit for cosine in self.cosines)


@dataclass(frozen=True, slots=True)
class ModelFigures:
    """Everything measured of one model.

    Args:
        engine: what ran it in process, with its version.
        best_load: the one with the highest throughput in the sweep.
        cpu: cores in use at the best load.
        poisson: an open loop at `plan.POISSON_SHARE` of the best throughput; None if the server's queue filled up.
        shared_memory: the best load with tensors in shared memory; None where it was not tried.
    """

    subject: Subject
    engine: str
    inputs: int
    padding: Padding | None
    sweep: tuple[tuple[Callers, Served], ...]
    best_load: Callers
    rounds: tuple[Round, ...]
    cpu: CpuUse
    poisson: tuple[Poisson, Served | None]
    shared_memory: Served | None
    agreement: Agreement

    @property
    def best_way(self) -> str:
        """Way of batching with the highest median throughput in process, of those that keep the order."""
        ways = [way for way in self.rounds[0].alone if way != SORTED]
        return max(ways, key=lambda way: median(each.alone[way].items_per_s for each in self.rounds))

    @property
    def in_process_per_s(self) -> float:
        """Rows a second in process with the best way of batching."""
        return median(self._in_process())

    @property
    def in_process_cores(self) -> float:
        """Cores that the engine had in process, with the best way of batching."""
        return median(each.alone[self.best_way].cores for each in self.rounds)

    @property
    def in_process_ms(self) -> float:
        """One row in process."""
        return median(each.alone[ONE].median_ms for each in self.rounds)

    @property
    def served_per_s(self) -> float:
        """Rows a second at the best load."""
        return self.of_best(lambda served: served.items_per_s)

    @property
    def served_ms(self) -> float:
        """One row to a single caller, p50."""
        return median(each.single.p50_ms for each in self.rounds)

    def of_best(self, figure: Callable[[Served], float]) -> float:
        """Median over the rounds of a figure at the best load."""
        return median(figure(each.best) for each in self.rounds)

    def ratios_to(self, other: ModelFigures, way: str | None = None) -> list[float]:
        """Served throughput of this over in-process throughput of the other, its best or one way's, each round."""
        served = [each.best.items_per_s for each in self.rounds]
        return [mine / theirs for mine, theirs in zip(served, other._in_process(way), strict=True)]

    @property
    def ratio(self) -> float:
        """Served over in process."""
        return median(self.ratios_to(self))

    @property
    def stability(self) -> str:
        """How stable the sweep's point at the best load was; "any" where there was no sweep."""
        return next((served.stability for load, served in self.sweep if load == self.best_load), "any")

    def _in_process(self, way: str | None = None) -> list[float]:
        return [each.alone[way or self.best_way].items_per_s for each in self.rounds]
