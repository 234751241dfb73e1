"""The captioner's queue without Triton and without a model."""

import importlib.util
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

BACKEND = Path(__file__).parents[3] / "deploy" / "triton" / "backends" / "captioner"
DEADLINE_S = 10.0


def loaded(name: str) -> ModuleType:
    """A module of the backend; the server, too, finds them in a folder and not in a package."""
    spec = importlib.util.spec_from_file_location(f"captioner_backend_{name}", BACKEND / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


gathering = loaded("gathering")


@dataclass
class Number:
    """A job whose result is computed from its number."""

    number: int
    gone: bool = False
    answered: threading.Event = field(default_factory=threading.Event)
    result: Any = None
    error: Exception | None = None

    def is_gone(self) -> bool:
        return self.gone

    def done(self, result: Any) -> None:
        self.result = result
        self.answered.set()

    def failed(self, error: Exception) -> None:
        self.error = error
        self.answered.set()


class Squares:
    """Squares batches of numbers; refuses negative ones; waits while it is held."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.begun = threading.Event()
        self.held = threading.Event()
        self.held.set()

    def __call__(self, jobs: Sequence[Number]) -> list[int]:
        self.begun.set()
        assert self.held.wait(DEADLINE_S)
        self.batches.append([job.number for job in jobs])
        if any(job.number < 0 for job in jobs):
            raise ValueError("negative")
        return [job.number**2 for job in jobs]


@contextmanager
def gatherer(work: Squares, clock: Callable[[], float] = lambda: 0.0) -> Iterator[Any]:
    made = gathering.Gatherer(work, batch=3, max_waiting=5, max_wait_s=10.0, clock=clock)
    try:
        yield made
    finally:
        work.held.set()
        made.close(DEADLINE_S)


@contextmanager
def busy(work: Squares, made: Any) -> Iterator[Number]:
    """One job is being worked on for as long as the block lasts."""
    first = Number(0)
    work.held.clear()
    made.submit(first)
    assert work.begun.wait(DEADLINE_S)
    yield first
    work.held.set()


def test_what_waits_is_done_in_batches_in_its_order() -> None:
    work = Squares()
    with gatherer(work) as made:
        jobs = [Number(n) for n in range(1, 6)]
        with busy(work, made):
            for job in jobs:
                made.submit(job)
        assert all(job.answered.wait(DEADLINE_S) for job in jobs)
    assert [job.result for job in jobs] == [1, 4, 9, 16, 25]
    assert work.batches == [[0], [1, 2, 3], [4, 5]]


def test_a_full_queue_refuses_at_once() -> None:
    work = Squares()
    with gatherer(work) as made, busy(work, made):
        for n in range(5):
            made.submit(Number(n))
        with pytest.raises(gathering.QueueFull):
            made.submit(Number(9))


def test_one_job_that_cannot_be_done_spoils_no_other() -> None:
    work = Squares()
    with gatherer(work) as made:
        jobs = [Number(2), Number(-1), Number(3)]
        with busy(work, made):
            for job in jobs:
                made.submit(job)
        assert all(job.answered.wait(DEADLINE_S) for job in jobs)
    assert [job.result for job in jobs] == [4, None, 9]
    assert isinstance(jobs[1].error, ValueError)


def test_callers_who_left_or_waited_too_long_cost_no_work() -> None:
    now = [0.0]
    work = Squares()
    with gatherer(work, lambda: now[0]) as made:
        gone, late, good = Number(1, gone=True), Number(2), Number(3)
        with busy(work, made):
            made.submit(gone)
            made.submit(late)
            now[0] = 11.0
            made.submit(good)
        assert late.answered.wait(DEADLINE_S)
        assert good.answered.wait(DEADLINE_S)
    assert isinstance(late.error, gathering.WaitedTooLong)
    assert (good.result, gone.answered.is_set()) == (9, False)
    assert work.batches == [[0], [3]]


def test_unloading_refuses_what_waits_and_finishes_what_runs() -> None:
    work = Squares()
    made = gathering.Gatherer(work, batch=3, max_waiting=5, max_wait_s=10.0)
    waiting = Number(4)
    with busy(work, made) as running:
        made.submit(waiting)
        made.close(0.0)
    assert running.answered.wait(DEADLINE_S)
    assert running.result == 0
    assert isinstance(waiting.error, gathering.QueueFull)
    with pytest.raises(gathering.QueueFull):
        made.submit(Number(1))
