"""Errands for the thread that changes the shards: other threads hand work in and wait for what comes of it.

What reads a whole document, or throws a shard away, must not meet an update half way. Doing it in the updating
thread, between two records, needs no lock that a search could wait for.
"""

import queue
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotInTime
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from contracts.errors import DeadlineExceeded, Overloaded

T = TypeVar("T")

_MOST_WAITING = 8
# Who reads shard by shard asks again as soon as a page has come.
_MORE_EXPECTED_S = 1.0


@dataclass(frozen=True, slots=True)
class _Errand:
    work: Callable[[], Any]
    done: "Future[Any]"


class Errands:
    """A short bounded queue of errands."""

    def __init__(self) -> None:
        self._waiting: queue.Queue[_Errand] = queue.Queue(_MOST_WAITING)
        self._last_at = float("-inf")

    @property
    def more_expected(self) -> bool:
        """Whether one was done a moment ago, so that the next may be on its way."""
        return time.monotonic() - self._last_at < _MORE_EXPECTED_S

    def ask(self, work: Callable[[], T], timeout_s: float) -> T:
        """Have `work` done by the updating thread, and wait for its result. What it raises is raised here.

        Raises:
            Overloaded: too many errands wait.
            DeadlineExceeded: its turn did not come in time; it will not be done later either.
        """
        errand = _Errand(work, Future())
        try:
            self._waiting.put_nowait(errand)
        except queue.Full:
            raise Overloaded("The index process is asked for too much at once.") from None
        try:
            return cast(T, errand.done.result(timeout_s))
        except NotInTime:
            if errand.done.cancel():
                raise DeadlineExceeded("The index process was busy with its log for too long.") from None
            return cast(T, errand.done.result(timeout_s))

    def do_waiting(self) -> None:
        """Do what waits. Called by the updating thread, between records."""
        while True:
            try:
                errand = self._waiting.get_nowait()
            except queue.Empty:
                return
            if not errand.done.set_running_or_notify_cancel():
                continue
            self._last_at = time.monotonic()
            try:
                result = errand.work()
            except Exception as exc:  # noqa: BLE001 - the fault of who asked, and told to them
                errand.done.set_exception(exc)
            else:
                errand.done.set_result(result)
