"""A bounded queue and one thread that takes what waits in it in batches. Knows nothing of Triton or pictures."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol


class QueueFull(Exception):
    """No place is left in the queue."""


class WaitedTooLong(Exception):
    """A job waited for longer than the queue allows."""


class Job(Protocol):
    """One piece of work and the caller who waits for it."""

    def is_gone(self) -> bool:
        """Whether nobody waits any more."""
        ...

    def done(self, result: Any) -> None:
        """Hand the result to the caller."""
        ...

    def failed(self, error: Exception) -> None:
        """Tell the caller why there is none."""
        ...


class Gatherer:
    """Runs `work` over batches of jobs, in order of arrival.

    Args:
        work: results of a batch, in its order. Where it raises, the jobs are run one by one, so that one that
            cannot be done spoils no other.
    """

    def __init__(
        self,
        work: Callable[[Sequence[Any]], Sequence[Any]],
        *,
        batch: int,
        max_waiting: int,
        max_wait_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._work = work
        self._batch = batch
        self._max_waiting = max_waiting
        self._max_wait_s = max_wait_s
        self._clock = clock
        self._waiting: deque[tuple[float, Any]] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="captions", daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Queue a job; returns at once.

        Raises:
            QueueFull: as many jobs wait as may.
        """
        with self._changed:
            if self._closed or len(self._waiting) >= self._max_waiting:
                raise QueueFull("too many jobs wait")
            self._waiting.append((self._clock(), job))
            self._changed.notify()

    def close(self, timeout_s: float) -> None:
        """End after the batch that runs; what waits is refused."""
        with self._changed:
            self._closed = True
            refused = [job for _, job in self._waiting]
            self._waiting.clear()
            self._changed.notify()
        for job in refused:
            job.failed(QueueFull("the model is being unloaded"))
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or bool(self._waiting))
                if self._closed:
                    return
                taken = self._take()
            self._answer(taken)

    def _take(self) -> list[Any]:
        """The next jobs that somebody still waits for."""
        taken: list[Any] = []
        while self._waiting and len(taken) < self._batch:
            since_s, job = self._waiting.popleft()
            if job.is_gone():
                continue
            if self._clock() - since_s > self._max_wait_s:
                job.failed(WaitedTooLong("the job waited too long"))
            else:
                taken.append(job)
        return taken

    def _answer(self, jobs: list[Any]) -> None:
        if not jobs:
            return
        try:
            results = self._work(jobs)
        except Exception as error:  # noqa: BLE001 - the outermost place: the callers get it
            if len(jobs) == 1:
                jobs[0].failed(error)
                return
            for job in jobs:
                self._answer([job])
            return
        for job, result in zip(jobs, results, strict=True):
            job.done(result)
