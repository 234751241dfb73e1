"""The limit on searches at once, in a simulation of an index that serves one after the other on a few cores."""

import asyncio
import contextlib
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from contracts.errors import DeadlineExceeded
from gateway.core.admission import AdaptiveLimit, AdmissionRefused
from tests.gateway.virtual_time import VirtualTimeLoop, run

CORES = 2
SERVICE_S = 0.020
CAPACITY = CORES / SERVICE_S
WITHIN_S = 0.200
SECONDS = 20.0
MOST = 256


class Index:
    """Serves in order of arrival, and works on searches whose time is over too, as servers do."""

    def __init__(self) -> None:
        self.free_at = [0.0] * CORES

    async def search(self, now_s: float) -> None:
        core = min(range(CORES), key=self.free_at.__getitem__)
        done_s = max(self.free_at[core], now_s) + SERVICE_S
        self.free_at[core] = done_s
        if done_s - now_s > WITHIN_S:
            await asyncio.sleep(WITHIN_S)
            raise DeadlineExceeded("Too late.")
        await asyncio.sleep(done_s - now_s)


def goodput(load: float, *, limited: bool) -> float:
    """Searches answered in time per second, at this share of the capacity, once the limit has settled."""

    async def offered() -> float:
        loop = asyncio.get_running_loop()
        index, answered = Index(), 0
        limit = AdaptiveLimit(least=4, most=MOST, slow_s=0.150, monotonic_s=loop.time)

        async def one() -> None:
            nonlocal answered
            began_s = loop.time()
            with contextlib.suppress(DeadlineExceeded, AdmissionRefused):
                with limit.admitted(began_s) if limited else contextlib.nullcontext():
                    await index.search(began_s)
                answered += began_s > SECONDS / 4

        async with asyncio.TaskGroup() as tasks:
            while loop.time() < SECONDS:
                tasks.create_task(one())
                await asyncio.sleep(1 / (load * CAPACITY))
        return answered / (SECONDS * 3 / 4)

    return run(offered())


def test_at_twice_the_capacity_at_least_seven_tenths_of_the_peak_are_answered_in_time() -> None:
    peak = max(goodput(load, limited=True) for load in (0.5, 0.8, 0.95))
    assert peak > 0.9 * CAPACITY
    for load in (1.2, 2.0, 4.0):
        assert goodput(load, limited=True) > 0.7 * peak
        assert goodput(load, limited=False) < 0.3 * peak, "without a limit all wait, and all too long"


@pytest.fixture
def clock() -> Iterator[VirtualTimeLoop]:
    loop = VirtualTimeLoop()
    yield loop
    loop.close()


def test_more_than_the_limit_are_refused_at_once_and_let_in_when_one_has_ended(clock: VirtualTimeLoop) -> None:
    limit = AdaptiveLimit(least=1, most=2, slow_s=0.1, monotonic_s=clock.time)
    with limit.admitted(0.0), limit.admitted(0.0):
        with pytest.raises(AdmissionRefused) as refused, limit.admitted(0.0):
            pass
        assert refused.value.retry_after_s >= 1
    with limit.admitted(0.0):
        pass


def test_slow_searches_on_an_idle_gateway_change_nothing(clock: VirtualTimeLoop) -> None:
    limit = AdaptiveLimit(least=1, most=16, slow_s=0.1, monotonic_s=clock.time)
    for _ in range(50):
        with limit.admitted(clock.time()):
            clock.advance(0.19)
    assert limit.limit == 16


def test_under_load_slow_searches_shrink_the_limit_once_for_all_that_went_together(clock: VirtualTimeLoop) -> None:
    limit = AdaptiveLimit(least=2, most=16, slow_s=0.1, monotonic_s=clock.time)

    def round_of(taking_s: float) -> None:
        with ExitStack() as together:
            for _ in range(limit.limit):
                together.enter_context(limit.admitted(clock.time()))
            clock.advance(taking_s)

    round_of(0.15)
    assert limit.limit == 12
    for _ in range(30):
        round_of(0.15)
    assert limit.limit == 2, "never below the least"
    for _ in range(60):
        round_of(0.01)
    assert limit.limit == 16, "and back again when the index is quick"
