"""How long and how often: the default run takes about ten minutes for all models, the quick one two."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.models.loads import Callers
from benchmarks.models.perf_analyzer import WINDOWS, Requests
from benchmarks.models.real_inputs import BATCH, RealInputs
from benchmarks.models.subjects import Subject

# A rate that leaves room for bursts, as a service that is not overloaded does.
POISSON_SHARE = 0.6
# All windows together; p99 of fewer would be their slowest request.
_LEAST_POISSON = 100


@dataclass(frozen=True, slots=True)
class Plan:
    """What is run for each model.

    Args:
        concurrencies: of the sweep with single rows. One alone needs no sweep.
        stable: whether a point of the sweep is windows until three agree, or any three.
        rounds: how often in process and served take turns.
        in_process_s: length of a turn in process, for each batch size.
        sweep_runs, turn_runs: least runs of the model in a window of the sweep, and of a turn. A run answers up to
            a batch of rows at once; a window of few runs says little of the throughput.
        poisson_s: length of the open loop, all windows together.
        end_to_end: pictures from JPEG to vector, for the demo's towers.
    """

    concurrencies: tuple[int, ...]
    stable: bool
    rounds: int
    in_process_s: float
    sweep_runs: int
    turn_runs: int
    poisson_s: float
    shared_memory: bool
    end_to_end: int

    def sweep(self, subject: Subject) -> list[Callers]:
        """Loads to try; where there is a choice, pictures also in batches, as ingestion sends them.

        Texts only one by one: perf_analyzer cannot put requests of different lengths into batches of equal ones.
        """
        loads = [Callers(concurrency) for concurrency in self.concurrencies]
        return [*loads, Callers(2, BATCH)] if subject.kind == "picture" and len(loads) > 1 else loads


DEFAULT = Plan((1, 2, 4, 8, 16), True, 3, 2.0, 8, 14, 12.0, True, 200)
QUICK = Plan((4,), False, 1, 1.0, 2, 4, 3.0, False, 60)


def requests(inputs: RealInputs, load: Callers, runs: int) -> Requests:
    """Numbers of requests in a closed loop.

    Texts are sent in whole passes over the set, because their lengths differ and so does the work.
    """
    rows = runs * min(BATCH, load.concurrency * load.batch)
    if inputs.padding is not None:
        rows = _whole_passes(inputs, rows)
    return Requests(warm_up=max(1, len(inputs.rows) // load.batch), window=max(1, rows // load.batch))


def open_loop_requests(inputs: RealInputs, rate_per_s: float, plan: Plan) -> Requests:
    """Numbers of requests at this rate."""
    count = max(_LEAST_POISSON, round(rate_per_s * plan.poisson_s))
    return Requests(warm_up=len(inputs.rows), window=-(-count // WINDOWS))


def _whole_passes(inputs: RealInputs, rows: int) -> int:
    return -(-rows // len(inputs.rows)) * len(inputs.rows)
