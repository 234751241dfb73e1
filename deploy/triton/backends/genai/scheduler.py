"""Shares a few slots of a language model among many requests. Knows neither Triton nor the engine.

All answers that have a slot take a turn of one token each, round after round; one that ends frees its slot at
once, and the request that has waited longest gets it. An engine that computes all answers' tokens together does so
before the turns, which then hand them out. One thread runs everything, because the engine's objects belong to one
thread.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol

# How often, while nothing runs, requests that wait are asked whether their callers have gone.
IDLE_WAIT_S = 0.1


@dataclass(frozen=True)
class Progress:
    """What one turn brought. `finish_reason` is empty until the last."""

    delta: str = ""
    token_ids: tuple[int, ...] = ()
    prompt_tokens: int = 0
    completion_tokens: int = 0
    finish_reason: str = ""


class Answer(Protocol):
    """An answer being written, which holds a slot's memory until it is let go."""

    def turn(self) -> Progress:
        """Read a piece of the prompt, or write one token."""
        ...

    def close(self) -> None:
        """Let go of what it holds, whether or not it has come to its end."""
        ...


class Engine(Protocol):
    """What writes the answers. Both are called from the scheduler's thread only."""

    def open(self) -> None:
        """Called once before all else, and again when the engine has failed and its answers are lost."""
        ...

    def advance(self) -> None:
        """Called before the turns of each round; may raise when all answers are lost."""
        ...


class Caller(Protocol):
    """Who waits for an answer. All of these may be called from the scheduler's thread only."""

    def is_gone(self) -> bool: ...

    def start(self) -> Answer:
        """Begin the answer; may raise ValueError for what the caller did wrong."""
        ...

    def send(self, progress: Progress) -> None: ...

    def end(self, error: Exception | None = None) -> None:
        """Close the stream, with an error or without."""
        ...


class QueueFull(Exception):
    """As many requests wait as may."""


class WaitedTooLong(Exception):
    """No slot became free in time."""


class Scheduler:
    """Runs answers in `slots` slots; at most `max_waiting` requests wait, each at most `max_wait_s`.

    Raises:
        Exception: whatever the engine raises when it is opened.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        slots: int,
        max_waiting: int,
        max_wait_s: float,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._slots = slots
        self._max_waiting = max_waiting
        self._max_wait_s = max_wait_s
        self._monotonic_s = monotonic_s
        self._waiting: deque[tuple[float, Caller]] = deque()
        self._active: list[tuple[Caller, Answer]] = []
        # Taken from the queue and not among the active yet: starting an answer takes a while.
        self._starting = 0
        self._changed = threading.Condition()
        self._closing = False
        # Why nothing can be written any more: a failed engine that could not be opened again.
        self.failure: Exception | None = None
        self._opened: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, name="genai", daemon=True)
        self._thread.start()
        self._opened.result()

    def submit(self, caller: Caller) -> None:
        """Queue a request; returns at once.

        Raises:
            QueueFull: too many wait, or the model is being unloaded.
        """
        with self._changed:
            # Those that the free slots will take at once do not count as waiting.
            free = self._slots - len(self._active) - self._starting
            if self._closing or len(self._waiting) - free >= self._max_waiting:
                raise QueueFull
            self._waiting.append((self._monotonic_s(), caller))
            self._changed.notify()

    def close(self, timeout_s: float) -> None:
        """Break off all answers and end the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(timeout_s)

    def is_running(self) -> bool:
        """Whether answers can still be written: not after `close`, nor with a `failure`."""
        return self._thread.is_alive() and not self._closing

    def _run(self) -> None:
        try:
            self._engine.open()
        except Exception as error:  # noqa: BLE001 - who makes the scheduler gets it
            self._opened.set_exception(error)
            return
        self._opened.set_result(None)
        try:
            while self._wait_for_work():
                self._drop_waiting()
                self._fill_slots()
                self._advance()
                for caller, answer in tuple(self._active):
                    self._turn(caller, answer)
        except Exception as error:  # noqa: BLE001 - the outermost place: who asks for the health gets it
            self.failure = error
        finally:
            with self._changed:
                self._closing = True
            for caller in [*(each for each, _ in self._active), *(each for _, each in self._waiting)]:
                caller.end(QueueFull())
            # The engine's objects must go on the thread that made them.
            for _, answer in self._active:
                answer.close()

    def _advance(self) -> None:
        """Let the engine compute; when it fails, end all its answers and begin anew with an empty one."""
        try:
            self._engine.advance()
        except Exception as error:  # noqa: BLE001 - the callers of the lost answers get it
            with self._changed:
                lost, self._active = self._active, []
            for caller, _ in lost:
                caller.end(error)
            self._engine.open()

    def _wait_for_work(self) -> bool:
        with self._changed:
            while not self._closing and not self._active and not self._waiting:
                self._changed.wait(IDLE_WAIT_S)
            return not self._closing

    def _drop_waiting(self) -> None:
        """Let go of waiting requests whose callers have left, or that have waited too long."""
        now_s = self._monotonic_s()
        with self._changed:
            waiting = tuple(self._waiting)
        gone = [each for each in waiting if each[1].is_gone()]
        late = [each for each in waiting if each not in gone and now_s - each[0] > self._max_wait_s]
        with self._changed:
            for each in (*gone, *late):
                self._waiting.remove(each)
        for _, caller in gone:
            caller.end()
        for _, caller in late:
            caller.end(WaitedTooLong())

    def _fill_slots(self) -> None:
        while True:
            with self._changed:
                if not self._waiting or len(self._active) >= self._slots:
                    return
                _, caller = self._waiting.popleft()
                self._starting = 1
            started: list[tuple[Caller, Answer]] = []
            try:
                started.append((caller, caller.start()))
            except Exception as error:  # noqa: BLE001 - the outermost place: its caller gets it
                caller.end(error)
            with self._changed:
                self._starting = 0
                self._active += started

    def _turn(self, caller: Caller, answer: Answer) -> None:
        error: Exception | None = None
        finished = caller.is_gone()
        if not finished:
            try:
                progress = answer.turn()
                if progress.token_ids or progress.finish_reason:
                    caller.send(progress)
                finished = bool(progress.finish_reason)
            except Exception as raised:  # noqa: BLE001 - the outermost place: its caller gets it
                error, finished = raised, True
        if finished:
            answer.close()
            with self._changed:
                self._active.remove((caller, answer))
            caller.end(error)
