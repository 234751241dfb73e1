"""The language model's backend without Triton and without a model: turns, queue, stop texts, what may be asked."""

import importlib.util
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

BACKEND = Path(__file__).parents[3] / "deploy" / "triton" / "backends" / "genai"
DEADLINE_S = 10.0


def loaded(name: str) -> ModuleType:
    """A module of the backend; the server, too, finds them in a folder and not in a package."""
    spec = importlib.util.spec_from_file_location(f"genai_backend_{name}", BACKEND / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


scheduling, stops, asking, setting = loaded("scheduler"), loaded("stops"), loaded("ask"), loaded("settings")


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


TEXT = st.text(alphabet="abc", max_size=40)
STOPS = st.lists(st.text(alphabet="abc", min_size=1, max_size=4), max_size=3)


@given(TEXT, STOPS, st.integers(1, 7))
def test_however_a_text_is_cut_up_it_ends_before_its_first_stop_text(
    text: str, wanted: list[str], size: int
) -> None:
    finder = stops.StopFinder(tuple(wanted))
    sent = ""
    for start in range(0, len(text), size):
        sent += finder.feed(text[start : start + size])
        # Nothing that was sent is taken back.
        assert text.startswith(sent)
        if finder.found:
            break
    else:
        sent += finder.rest()
    assert not any(stop in sent for stop in wanted)
    assert finder.found == any(stop in text for stop in wanted)
    if not finder.found:
        assert sent == text
    else:
        assert any(text[len(sent) :].startswith(stop) for stop in wanted)


LONGEST = 50


def tensors(**given: object) -> dict[str, np.ndarray]:
    return {name: np.array(value if isinstance(value, list) else [value]) for name, value in given.items()}


def test_what_is_not_said_has_defaults_and_the_models_limit_holds() -> None:
    ask = asking.read_ask(tensors(prompt=b"Why?", max_tokens=10_000), longest=LONGEST)
    assert (ask.prompt, ask.max_tokens, ask.temperature, ask.top_p, ask.seed, ask.stop) == (
        "Why?",
        50,
        0.0,
        1.0,
        None,
        (),
    )


@pytest.mark.parametrize(
    "given_tensors",
    [
        {},
        {"prompt": b"x", "input_ids": 3},
        {"messages": b"{}"},
        {"messages": b"[]"},
        {"messages": b'[{"role": "user"}]'},
        {"messages": b"not json"},
        {"prompt": b"x", "max_tokens": 0},
        {"prompt": b"x", "temperature": 2.5},
        {"prompt": b"x", "temperature": float("nan")},
        {"prompt": b"x", "top_p": 0.0},
        {"prompt": b"x", "seed": -1},
        {"prompt": b"x", "stop": b""},
        {"prompt": b"x", "stop": [b"x"] * 9},
    ],
)
def test_what_cannot_be_is_refused(given_tensors: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        asking.read_ask(tensors(**given_tensors), longest=LONGEST)


def config(count: int = 1, **parameters: str) -> dict[str, object]:
    return {
        "instance_group": [{"count": count}],
        "parameters": {name: {"string_value": value} for name, value in parameters.items()},
    }


@pytest.mark.parametrize(("on_gpu", "wanted"), [(False, "turns"), (True, "engine")])
def test_a_gpu_batches_and_a_cpu_takes_turns_unless_it_is_said(on_gpu: bool, wanted: str) -> None:
    assert setting.read_settings(config(), on_gpu=on_gpu).batching == wanted
    assert setting.read_settings(config(batching="engine"), on_gpu=on_gpu).batching == "engine"
    assert setting.read_settings(config(slots="7"), on_gpu=on_gpu).slots == 7


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (config(count=2), "one instance"),
        (config(slot="4"), "slot"),
        (config(slots="0"), "slots"),
        (config(slots="four"), "slots"),
        (config(batching="both"), "batching"),
    ],
)
def test_settings_that_cannot_be_are_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        setting.read_settings(wrong, on_gpu=False)
