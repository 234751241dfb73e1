"""The producer after a fatal error, set off by librdkafka's own `rd_kafka_test_fatal_error` (rdkafka.h)."""

import ctypes
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import confluent_kafka as ck
import pytest

from contracts.errors import DependencyDown
from runtime.kafka_producer import KafkaProducer, Sent

DEADLINE_S = 10.0
NOBODY = "127.0.0.1:1"


@pytest.fixture(scope="module")
def broker() -> Iterator[str]:
    """Address of librdkafka's mock cluster."""
    holder = ck.Producer({"bootstrap.servers": "unused", "test.mock.num.brokers": 1, "log_level": 2})
    [metadata] = holder.list_topics(timeout=DEADLINE_S).brokers.values()
    yield f"{metadata.host}:{metadata.port}"
    holder.flush(0)


def break_for_good(producer: KafkaProducer) -> None:
    """Let its client meet a fatal error, as after a broker that lost its log."""
    [library] = Path(ck.__file__).parents[1].glob("confluent_kafka.libs/librdkafka-*.so*")
    fail = ctypes.CDLL(str(library)).rd_kafka_test_fatal_error
    fail.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p]
    handle = ctypes.c_void_p.from_address(id(producer._producer) + object.__basicsize__)
    fail(handle, ck.KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, b"a test")


def sent_in_the_end(producer: KafkaProducer) -> Sent:
    """Send until it is acknowledged, as all callers do."""
    deadline = time.monotonic() + DEADLINE_S
    while True:
        try:
            return producer.send_bytes("t", b"value", key="k").result(DEADLINE_S)
        except DependencyDown:
            assert time.monotonic() < deadline


def test_after_a_fatal_error_records_are_sent_again(broker: str) -> None:
    producer = KafkaProducer(broker, "test")
    try:
        first = producer.send_bytes("t", b"value", key="k").result(DEADLINE_S)
        break_for_good(producer)
        assert sent_in_the_end(producer).offset > first.offset
    finally:
        producer.close()


def test_a_fatal_error_fails_what_was_on_its_way_at_once() -> None:
    producer = KafkaProducer(NOBODY, "test", delivery_timeout_s=600)
    try:
        waiting = producer.send_bytes("t", b"value")
        break_for_good(producer)
        assert isinstance(waiting.exception(DEADLINE_S), DependencyDown)
    finally:
        producer.close(0.1)


def test_nobody_can_cancel_what_the_clients_thread_has_to_answer(broker: str) -> None:
    producer = KafkaProducer(broker, "test")
    try:
        sent: Future[Sent] = producer.send_bytes("t", b"value")
        assert not sent.cancel()
        assert sent.result(DEADLINE_S).offset >= 0
    finally:
        producer.close()
