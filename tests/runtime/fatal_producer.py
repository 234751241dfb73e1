"""Cases of a producer that meets a fatal error, each run by test_kafka.py in a process of its own.

The error is set off by librdkafka's own `rd_kafka_test_fatal_error` (rdkafka.h), which has once stood still inside
the library: whoever calls it must be able to end it.

    python -m tests.runtime.fatal_producer CASE
"""

import ctypes
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import confluent_kafka as ck

from contracts.errors import DependencyDown
from runtime.kafka_producer import KafkaProducer, Sent

DEADLINE_S = 10.0
NOBODY = "127.0.0.1:1"


@contextmanager
def mock_broker() -> Iterator[str]:
    """Address of librdkafka's mock cluster."""
    holder = ck.Producer({"bootstrap.servers": "unused", "test.mock.num.brokers": 1, "log_level": 2})
    [metadata] = holder.list_topics(timeout=DEADLINE_S).brokers.values()
    yield f"{metadata.host}:{metadata.port}"
    holder.flush(0)


def break_for_good(producer: KafkaProducer) -> None:
    """Let its client meet a fatal error, as after a broker that lost its log."""
    client = producer._producer  # Kept until the call returns: the producer drops a client that failed.
    [library] = Path(ck.__file__).parents[1].glob("confluent_kafka.libs/librdkafka-*.so*")
    fail = ctypes.CDLL(str(library)).rd_kafka_test_fatal_error
    fail.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p]
    handle = ctypes.c_void_p.from_address(id(client) + object.__basicsize__)
    fail(handle, ck.KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, b"a test")


def sent_in_the_end(producer: KafkaProducer) -> Sent:
    """Send until it is acknowledged, as all callers do."""
    deadline = time.monotonic() + DEADLINE_S
    while True:
        try:
            return producer.send_bytes("t", b"value", key="k").result(DEADLINE_S)
        except DependencyDown:
            assert time.monotonic() < deadline


def records_are_sent_again() -> None:
    with mock_broker() as broker:
        producer = KafkaProducer(broker, "test")
        try:
            first = producer.send_bytes("t", b"value", key="k").result(DEADLINE_S)
            break_for_good(producer)
            assert sent_in_the_end(producer).offset > first.offset
        finally:
            producer.close()


def what_was_on_its_way_fails_at_once() -> None:
    producer = KafkaProducer(NOBODY, "test", delivery_timeout_s=600)
    try:
        waiting = producer.send_bytes("t", b"value")
        break_for_good(producer)
        assert isinstance(waiting.exception(DEADLINE_S), DependencyDown)
    finally:
        producer.close(0.1)


CASES: dict[str, Callable[[], None]] = {
    each.__name__: each for each in (records_are_sent_again, what_was_on_its_way_fails_at_once)
}

if __name__ == "__main__":
    CASES[sys.argv[1]]()
