"""Runs requests that came together, in as many runs as their lengths ask for, in turn or side by side."""

from __future__ import annotations

import queue
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from batches import BatchMemory, take_apart
from engines import Engine
from grouping import plan_runs

Arrays = Mapping[str, Any]
Answer = list[Any] | Exception
"""A request's outputs, or why it has none."""
Run = Callable[[Sequence[str], Arrays], list[Any]]


class Runner:
    """An engine with the memory and the threads for its runs. Used by one thread at a time.

    Args:
        wanted: names of the outputs.
    """

    def __init__(self, engine: Engine, wanted: Sequence[str]) -> None:
        self._engine = engine
        self._wanted = list(wanted)
        self._memories: queue.SimpleQueue[BatchMemory] = queue.SimpleQueue()
        for _ in range(engine.lanes):
            self._memories.put(BatchMemory())
        self._threads = ThreadPoolExecutor(engine.lanes, thread_name_prefix="runs")

    def answer(self, parts: Sequence[Arrays]) -> list[Answer]:
        """The outputs of every request, in order; one that fails spoils no other."""
        costs = self._engine.costs
        plan = plan_runs(parts, self._engine.lanes, costs.run, costs.gain)
        answers: list[Answer] = [[]] * len(parts)
        if plan.side_by_side:
            run = self._engine.run_beside
            for done in [self._threads.submit(self._run, run, parts, places, answers) for places in plan.runs]:
                done.result()
        else:
            for places in plan.runs:
                self._run(self._engine.run, parts, places, answers)
        return answers

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=False)

    def _run(self, run: Run, parts: Sequence[Arrays], places: Sequence[int], answers: list[Answer]) -> None:
        chosen = [parts[place] for place in places]
        memory = self._memories.get()
        try:
            outputs = run(self._wanted, memory.join(chosen))
        except Exception as error:  # noqa: BLE001 - the engines have no error class of their own
            failed = error
        else:
            shares = take_apart(outputs, [len(next(iter(part.values()))) for part in chosen])
            for place, share in zip(places, shares, strict=True):
                answers[place] = share
            return
        finally:
            self._memories.put(memory)
        if len(places) == 1:
            answers[places[0]] = failed
            return
        # One request's values (a token id outside the vocabulary) fail the whole run: find out whose.
        for place in places:
            self._run(run, parts, [place], answers)
