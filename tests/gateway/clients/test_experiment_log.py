"""Experiments over a real broker: what one gateway writes all know, count alike, and end alike."""

import time
import uuid
from collections.abc import Callable, Iterator

import pytest
from msgspec.structs import replace

from contracts.errors import Conflict
from contracts.experiment_events import ExperimentEvent
from contracts.experiment_life import ended, started
from contracts.experiments import Experiment, Guardrail
from contracts.experiments_view import ExperimentView
from gateway.clients.experiment_log import ExperimentLog
from gateway.clients.one_use import RedisOneUse
from gateway.core.clock import Clock
from gateway.core.experiment_book import ExperimentBook
from runtime.kafka_producer import KafkaProducer
from runtime.telemetry import Metrics
from tests.gateway.core.test_counting import people
from tests.gateway.experimenting import draft

pytestmark = pytest.mark.integration

WAIT_S = 30.0
OpenLog = Callable[[], ExperimentLog]


@pytest.fixture
def open_log(kafka: str) -> Iterator[OpenLog]:
    """Opens logs of gateways side by side."""
    producer = KafkaProducer(kafka, "experiments-test")
    logs: list[ExperimentLog] = []

    def opened() -> ExperimentLog:
        log = ExperimentLog(
            kafka,
            f"gateway-{len(logs)}",
            producer,
            Metrics(),
            Clock(time.monotonic, time.time),
            new_nonce=lambda: uuid.uuid4().hex,
        )
        log.start()
        logs.append(log)
        until(lambda: log.look(lambda _, complete: complete), "the log is read")
        return log

    yield opened
    for log in logs:
        log.stop()
    producer.close()


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def new_name() -> str:
    return f"towers-{uuid.uuid4().hex[:8]}"


def start(log: ExperimentLog, name: str, **changes: object) -> Experiment:
    log.write(lambda _: draft(name, **changes))
    log.write(lambda book: started(last(book, name), (), by="test", at_ms=now_ms(), why=""))
    return log.look(lambda book, _: last(book, name))


def last(book: ExperimentBook, name: str) -> Experiment:
    known = book.last(name)
    assert known is not None
    return known


def view(log: ExperimentLog, name: str) -> ExperimentView:
    return log.look(lambda book, complete: book.view(name, complete=complete))


def now_ms() -> int:
    return int(time.time() * 1000)


def recent(events: list[ExperimentEvent]) -> list[ExperimentEvent]:
    """The same events, the last of them now."""
    shift = now_ms() - events[-1].at_ms
    return [replace(event, at_ms=event.at_ms + shift) for event in events]


def test_what_one_gateway_starts_another_offers_and_both_count_alike(open_log: OpenLog) -> None:
    one, other = open_log(), open_log()
    name = new_name()
    # Nothing of what is told here is older than the window, as in life.
    experiment = start(one, name, metric="clicks", window_s=86_400.0)
    until(lambda: any(each.name == name for each in other.offered()), "the other gateway offers it")
    events = recent(people(experiment, 60))
    for n, event in enumerate(events):
        (one, other)[n % 2].tell(event)

    def counted(log: ExperimentLog) -> int:
        return sum(arm.impressions for arm in view(log, name).variants)

    told = sum(hasattr(event.what, "latency_ms") for event in events)
    until(lambda: counted(one) == counted(other) == told, "all events are counted")
    late = open_log()
    # Clicks come after the searches that are counted above.
    for log in (other, late):
        until(lambda log=log: counted(log) == told, "all events are counted")  # type: ignore[misc]
        until(lambda log=log: view(log, name).variants == view(one, name).variants, "both count alike")  # type: ignore[misc]
        assert view(log, name).ratio == view(one, name).ratio


def test_of_two_gateways_that_change_it_at_once_one_is_told(open_log: OpenLog) -> None:
    one, other = open_log(), open_log()
    name = new_name()
    known = start(one, name)
    stop = ended(known, "stopped", by="one", at_ms=now_ms(), why="")
    one.write(lambda _: stop)
    with pytest.raises(Conflict):
        other.write(lambda _: ended(known, "stopped", by="other", at_ms=now_ms(), why=""))
    assert [change.by for change in view(one, name).history][-1] == "one"


def test_a_variant_that_fails_is_rolled_back_everywhere_and_the_log_says_why(open_log: OpenLog) -> None:
    one, other = open_log(), open_log()
    name = new_name()
    experiment = start(one, name, guardrails=(Guardrail(measure="errors"),))
    for event in recent(people(experiment, 300, fails=(0.0, 0.6))):
        one.tell(event)
    until(lambda: all(view(log, name).state == "rolled_back" for log in (one, other)), "it is rolled back")
    change = view(other, name).history[-1]
    assert (change.action, change.by) == ("roll_back", "guardrails")
    assert "fails more often" in change.why
    assert all(each.name != name for log in (one, other) for each in log.offered())


async def test_a_key_can_be_used_once_by_all(redis_url: str) -> None:
    one, other = RedisOneUse(redis_url), RedisOneUse(redis_url)
    key = uuid.uuid4().hex
    assert [await client.use(key, ttl_s=60) for client in (one, other, one)] == [True, False, False]
    await one.close()
    await other.close()
