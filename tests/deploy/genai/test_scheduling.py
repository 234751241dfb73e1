"""Turns, queue, failures: the scheduler without Triton and without a model."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest

from tests.deploy.genai.modules import scheduling

DEADLINE_S = 10.0


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


@dataclass
class Script:
    """A caller whose answer counts to `length`; writes every token's owner into `log`. Also the answer itself."""

    name: str
    length: int
    log: list[str]
    gone: bool = False
    fails_at: int | None = None
    tokens: int = 0
    closed: bool = False
    ended: threading.Event = field(default_factory=threading.Event)
    error: Exception | None = None

    def is_gone(self) -> bool:
        return self.gone

    def start(self) -> "Script":
        return self

    def turn(self) -> object:
        if self.tokens == self.fails_at:
            raise RuntimeError("out of memory")
        reason = "length" if self.tokens + 1 >= self.length else ""
        return scheduling.Progress("x", (self.tokens,), 1, self.tokens + 1, reason)

    def send(self, progress: object) -> None:
        self.tokens += 1
        self.log.append(self.name)

    def close(self) -> None:
        self.closed = True

    def end(self, error: Exception | None = None) -> None:
        self.error = error
        self.ended.set()


@dataclass
class SlowStart(Script):
    """Does not start before it may."""

    starting: threading.Event = field(default_factory=threading.Event)
    may_start: threading.Event = field(default_factory=threading.Event)

    def start(self) -> Script:
        self.starting.set()
        self.may_start.wait(DEADLINE_S)
        return self


ENDLESS = 10**9


@dataclass
class Rounds:
    """An engine that counts, and fails in the rounds that it is told to."""

    fails_in: tuple[int, ...] = ()
    fails_to_open: int | None = None
    opened: int = 0
    rounds: int = 0
    threads: set[int] = field(default_factory=set)

    def open(self) -> None:
        self.threads.add(threading.get_ident())
        self.opened += 1
        if self.opened == self.fails_to_open:
            raise ValueError("no memory")

    def advance(self) -> None:
        self.threads.add(threading.get_ident())
        self.rounds += 1
        if self.rounds in self.fails_in:
            raise RuntimeError("the device is lost")


def scheduler(slots: int, max_waiting: int = 64, max_wait_s: float = 60.0, engine: Rounds | None = None):  # type: ignore[no-untyped-def]
    return scheduling.Scheduler(engine or Rounds(), slots=slots, max_waiting=max_waiting, max_wait_s=max_wait_s)


def test_answers_with_a_slot_take_turns_and_those_that_wait_come_in_order() -> None:
    log: list[str] = []
    running = scheduler(slots=4)
    callers = [Script(f"{n:02}", 50, log) for n in range(16)]
    for caller in callers:
        running.submit(caller)
    assert all(caller.ended.wait(DEADLINE_S) for caller in callers)
    running.close(DEADLINE_S)
    assert [caller.tokens for caller in callers] == [50] * 16
    assert list(dict.fromkeys(log)) == [caller.name for caller in callers]
    for caller in callers:
        places = np.flatnonzero(np.array(log) == caller.name)
        # Between two tokens of one answer every other slot has at most two turns: a round's end, and the next.
        assert np.diff(places).max() <= 2 * 4


def test_a_caller_who_leaves_frees_the_slot_for_the_one_that_waits() -> None:
    log: list[str] = []
    running = scheduler(slots=1)
    leaver, waiter = Script("leaver", ENDLESS, log), Script("waiter", 3, log)
    running.submit(leaver)
    running.submit(waiter)
    until(lambda: leaver.tokens > 20)
    assert waiter.tokens == 0
    leaver.gone = True
    assert waiter.ended.wait(DEADLINE_S)
    running.close(DEADLINE_S)
    assert (leaver.ended.is_set(), leaver.error, waiter.tokens) == (True, None, 3)


def test_the_queue_is_bounded_and_a_caller_who_leaves_it_makes_room() -> None:
    log: list[str] = []
    running = scheduler(slots=1, max_waiting=2)
    first, *waiting = [Script(str(n), ENDLESS, log) for n in range(3)]
    running.submit(first)
    until(lambda: first.tokens > 0)
    for caller in waiting:
        running.submit(caller)
    with pytest.raises(scheduling.QueueFull):
        running.submit(Script("too many", 1, log))
    waiting[0].gone = True
    assert waiting[0].ended.wait(DEADLINE_S)
    running.submit(Script("now there is room", 1, log))
    running.close(DEADLINE_S)


def test_an_answer_that_is_starting_counts_as_one_with_a_slot() -> None:
    log: list[str] = []
    running = scheduler(slots=1, max_waiting=1)
    slow = SlowStart("slow", ENDLESS, log)
    running.submit(slow)
    assert slow.starting.wait(DEADLINE_S)
    running.submit(Script("waits", 1, log))
    with pytest.raises(scheduling.QueueFull):
        running.submit(Script("too many", 1, log))
    slow.may_start.set()
    running.close(DEADLINE_S)


def test_who_waits_too_long_is_told() -> None:
    log: list[str] = []
    running = scheduler(slots=1, max_wait_s=0.05)
    running.submit(holder := Script("holder", ENDLESS, log))
    until(lambda: holder.tokens > 0)
    running.submit(late := Script("late", 1, log))
    assert late.ended.wait(DEADLINE_S)
    assert isinstance(late.error, scheduling.WaitedTooLong)
    running.close(DEADLINE_S)


def test_an_answer_that_fails_ends_alone() -> None:
    log: list[str] = []
    running = scheduler(slots=2)
    broken, sound = Script("broken", 50, log, fails_at=5), Script("sound", 50, log)
    running.submit(broken)
    running.submit(sound)
    assert broken.ended.wait(DEADLINE_S)
    assert sound.ended.wait(DEADLINE_S)
    running.close(DEADLINE_S)
    assert isinstance(broken.error, RuntimeError)
    assert (sound.error, sound.tokens) == (None, 50)


def test_unloading_ends_every_stream() -> None:
    log: list[str] = []
    running = scheduler(slots=2)
    callers = [Script(str(n), ENDLESS, log) for n in range(5)]
    for caller in callers:
        running.submit(caller)
    running.close(DEADLINE_S)
    assert all(caller.ended.is_set() for caller in callers)
    with pytest.raises(scheduling.QueueFull):
        running.submit(Script("after", 1, log))


def test_what_an_answer_holds_is_let_go_however_it_ends() -> None:
    log: list[str] = []
    running = scheduler(slots=4)
    done, left, broken = Script("done", 3, log), Script("left", ENDLESS, log), Script("broken", 9, log, fails_at=1)
    for caller in (done, left, broken):
        running.submit(caller)
    until(lambda: left.tokens > 5)
    left.gone = True
    assert all(caller.ended.wait(DEADLINE_S) for caller in (done, left, broken))
    unloaded = Script("unloaded", ENDLESS, log)
    running.submit(unloaded)
    until(lambda: unloaded.tokens > 0)
    running.close(DEADLINE_S)
    assert (done.closed, left.closed, broken.closed, unloaded.closed) == (True, True, True, True)


def test_an_engine_advances_once_before_every_round_of_turns_on_one_thread() -> None:
    log: list[str] = []
    engine = Rounds()
    running = scheduler(slots=3, engine=engine)
    callers = [Script(str(n), 20, log) for n in range(3)]
    for caller in callers:
        running.submit(caller)
    assert all(caller.ended.wait(DEADLINE_S) for caller in callers)
    running.close(DEADLINE_S)
    # The first may have been alone for some rounds.
    assert 20 <= engine.rounds <= 60
    assert len(engine.threads) == 1
    assert threading.get_ident() not in engine.threads


def test_when_the_engine_fails_its_answers_end_and_those_that_wait_are_written() -> None:
    log: list[str] = []
    engine = Rounds(fails_in=(50,))
    running = scheduler(slots=1, engine=engine)
    lost, waiting = Script("lost", ENDLESS, log), Script("waiting", 3, log)
    running.submit(lost)
    running.submit(waiting)
    assert waiting.ended.wait(DEADLINE_S)
    assert (str(lost.error), waiting.error, waiting.tokens, engine.opened) == ("the device is lost", None, 3, 2)
    assert running.is_running()
    running.close(DEADLINE_S)
    assert not running.is_running()


def test_when_the_engine_cannot_be_opened_again_all_are_told_and_nothing_more_is_taken() -> None:
    log: list[str] = []
    running = scheduler(slots=1, engine=Rounds(fails_in=(50,), fails_to_open=2))
    lost, waiting = Script("lost", ENDLESS, log), Script("waiting", 3, log)
    running.submit(lost)
    running.submit(waiting)
    assert waiting.ended.wait(DEADLINE_S)
    assert isinstance(waiting.error, scheduling.QueueFull)
    with pytest.raises(scheduling.QueueFull):
        running.submit(Script("after", 1, log))
    assert (running.is_running(), str(running.failure)) == (False, "no memory")


def test_an_engine_that_cannot_be_opened_is_the_error_of_who_makes_the_scheduler() -> None:
    with pytest.raises(ValueError, match="no memory"):
        scheduler(slots=1, engine=Rounds(fails_to_open=1))
