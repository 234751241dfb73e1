"""The outbox keeps what is not acknowledged, and sends it again in order."""

from concurrent.futures import Future

import pytest

from contracts.errors import BadMessage, DependencyDown, Overloaded
from contracts.status import StageEvent
from index_service.notices import Notice
from index_service.outbox import Outbox
from runtime.kafka_producer import Sent


def notice(number):
    event = StageEvent(tenant="default", doc_id=f"d{number}", version=1, stage="shard", state="done", at_ms=number)
    return Notice("document_status", event, f"d{number}|1|shard", 0, None)


class Broker:
    """Takes what it is given; the test acknowledges, fails or refuses."""

    def __init__(self):
        self.sent = []
        self.refuse = None

    def send(self, topic, message, *, key=None, partition=None, trace=None):
        if self.refuse is not None:
            raise self.refuse
        future = Future()
        self.sent.append((key, future))
        return future

    def acknowledge(self, *numbers):
        for number in numbers:
            self.sent[number][1].set_result(Sent(0, number))

    def fail(self, *numbers):
        for number in numbers:
            self.sent[number][1].set_exception(DependencyDown("kafka"))

    def keys(self):
        return [key.split("|")[0] for key, _ in self.sent]


@pytest.fixture
def broker():
    return Broker()


def test_acknowledged_notices_leave_in_order(broker):
    outbox = Outbox(broker)
    for i in range(3):
        outbox.put(notice(i))
    broker.acknowledge(1)
    outbox.tend()
    assert len(outbox) == 3
    broker.acknowledge(0)
    outbox.tend()
    assert len(outbox) == 1
    broker.acknowledge(2)
    assert outbox.drain(1.0)


def test_after_a_failure_everything_from_there_on_is_sent_again(broker):
    outbox = Outbox(broker)
    for i in range(4):
        outbox.put(notice(i))
    broker.acknowledge(0, 2)
    broker.fail(1)
    outbox.tend()
    assert broker.keys() == ["d0", "d1", "d2", "d3", "d1", "d2", "d3"]
    broker.acknowledge(4, 5, 6)
    assert outbox.drain(1.0)


@pytest.mark.parametrize("refusal", [Overloaded("The queue to Kafka is full."), DependencyDown("kafka")])
def test_notice_that_could_not_even_be_queued_is_offered_again(broker, refusal):
    outbox = Outbox(broker)
    broker.refuse = refusal
    outbox.put(notice(0))
    assert not outbox.drain(0.0)
    broker.refuse = None
    outbox.tend()
    broker.acknowledge(0)
    assert outbox.drain(1.0)


def test_outbox_says_when_it_is_full(broker):
    outbox = Outbox(broker, limit=2)
    outbox.put(notice(0))
    assert not outbox.full
    outbox.put(notice(1))
    assert outbox.full


def test_drain_gives_up_in_time(broker):
    outbox = Outbox(broker)
    outbox.put(notice(0))
    assert not outbox.drain(0.05)
    assert len(outbox) == 1


def test_notice_that_the_broker_will_never_take_does_not_hold_up_the_others():
    broker = Broker()
    outbox = Outbox(broker)
    for number in range(3):
        outbox.put(notice(number))
    for number, (_, future) in enumerate(broker.sent):
        if number == 1:
            future.set_exception(BadMessage("The record is larger than Kafka accepts."))
        else:
            future.set_result(Sent(0, number))
    outbox.tend()
    assert len(outbox) == 0
    assert len(broker.sent) == 3
