"""Documents on their way to the shards: once a day, in bounds, and again when Kafka lost them."""

import asyncio
from concurrent.futures import Future

from contracts.codec import Message
from contracts.errors import DependencyDown, Overloaded
from contracts.ids import document_id, shard_of
from contracts.touches import DAY_MS, Touches
from gateway.clients.touches import KafkaTouches
from gateway.core.clock import Clock
from runtime.kafka_producer import Sent
from runtime.telemetry import Metrics

TODAY = 20_000


def doc(number: int) -> str:
    return document_id("default", "default", str(number))


class Broker:
    """Takes records, and acknowledges, loses or refuses them."""

    def __init__(self) -> None:
        self.mood = "acknowledges"
        self.records: list[tuple[str, int | None, Touches]] = []

    def send(self, topic: str, message: Message, *, partition: int | None = None) -> "Future[Sent]":
        if self.mood == "is full":
            raise Overloaded("full")
        assert isinstance(message, Touches)
        future: Future[Sent] = Future()
        if self.mood == "loses":
            future.set_exception(DependencyDown("kafka"))
            return future
        self.records.append((topic, partition, message))
        if self.mood == "acknowledges":
            future.set_result(Sent(0, 0))
        return future

    def told(self) -> list[str]:
        return [doc_id for _, _, message in self.records for doc_id in message.doc_ids]


class Gateway:
    def __init__(self) -> None:
        self.broker, self.metrics, self.day = Broker(), Metrics(), TODAY
        clock = Clock(lambda: 0.0, lambda: self.day * DAY_MS / 1000 + 5)
        self.touches = KafkaTouches(self.broker, self.metrics, clock)

    def show(self, *numbers: int, generation: str = "g1", n_shards: int = 3) -> None:
        self.touches.note(generation, n_shards, [doc(number) for number in numbers])

    def count(self, outcome: str) -> float:
        return self.metrics.registry.get_sample_value("trireme_touches_total", {"outcome": outcome}) or 0.0


def test_every_shard_is_told_its_documents_and_the_day() -> None:
    gateway = Gateway()
    gateway.show(*range(40))
    gateway.touches.send_waiting()
    assert {topic for topic, _, _ in gateway.broker.records} == {"index_touches.g1"}
    assert {message.day for _, _, message in gateway.broker.records} == {TODAY}
    for _, partition, message in gateway.broker.records:
        assert {shard_of(doc_id, 3) for doc_id in message.doc_ids} == {partition}
    assert sorted(gateway.broker.told()) == sorted(doc(number) for number in range(40))


def test_a_document_is_told_once_a_day_and_generation() -> None:
    gateway = Gateway()
    for _ in range(3):
        gateway.show(1, 1, 2)
        gateway.touches.send_waiting()
    gateway.show(1, generation="g2")
    gateway.touches.send_waiting()
    gateway.day += 1
    gateway.show(1)
    gateway.touches.send_waiting()
    days = [(topic, message.day, message.doc_ids) for topic, _, message in gateway.broker.records[-2:]]
    assert sorted(gateway.broker.told()) == sorted([doc(1), doc(2), doc(1), doc(1)])
    assert days == [("index_touches.g2", TODAY, (doc(1),)), ("index_touches.g1", TODAY + 1, (doc(1),))]


def test_what_kafka_refused_or_lost_is_told_again() -> None:
    gateway = Gateway()
    for mood in ("is full", "loses"):
        gateway.broker.mood = mood
        gateway.show(1, 2)
        gateway.touches.send_waiting()
    gateway.broker.mood = "acknowledges"
    gateway.touches.send_waiting()
    gateway.touches.send_waiting()
    assert sorted(gateway.broker.told()) == sorted([doc(1), doc(2)])
    assert (gateway.count("sent"), gateway.count("dropped")) == (2, 0)


def test_without_kafka_a_bounded_number_waits_and_the_rest_is_counted() -> None:
    gateway = Gateway()
    gateway.broker.mood = "is full"
    gateway.show(*range(20_010))
    gateway.touches.send_waiting()
    assert gateway.count("dropped") == 10
    gateway.broker.mood = "acknowledges"
    gateway.touches.send_waiting()
    assert len(gateway.broker.told()) == 20_000
    gateway.show(*range(20_010))
    gateway.touches.send_waiting()
    assert len(set(gateway.broker.told())) == 20_010


def test_records_that_are_never_acknowledged_do_not_pile_up() -> None:
    gateway = Gateway()
    gateway.broker.mood = "is silent"
    for number in range(400):
        gateway.show(number, n_shards=1)
        gateway.touches.send_waiting()
    assert len(gateway.broker.records) == 256


async def test_what_waits_is_sent_when_the_gateway_ends() -> None:
    gateway = Gateway()
    async with gateway.touches.running():
        gateway.show(1)
        await asyncio.sleep(0)
    assert gateway.broker.told() == [doc(1)]
