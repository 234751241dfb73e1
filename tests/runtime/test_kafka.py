"""The producer on librdkafka's mock cluster: after a fatal error, and what callers may not do."""

import subprocess
import sys
from concurrent.futures import Future

import pytest

from runtime.kafka_producer import KafkaProducer, Sent
from stack.home import CHECKOUT
from tests.runtime.fatal_producer import CASES, DEADLINE_S, mock_broker

# The error itself stands still once in a while (see fatal_producer.py), which says nothing of our producer.
TRIES = 3
CASE_S = 45.0


@pytest.mark.parametrize("case", CASES)
def test_after_a_fatal_error(case: str) -> None:
    for last in [*[False] * (TRIES - 1), True]:
        command = [sys.executable, "-m", "tests.runtime.fatal_producer", case]
        try:
            ended = subprocess.run(command, cwd=CHECKOUT, timeout=CASE_S, capture_output=True, text=True)
        except subprocess.TimeoutExpired:
            assert not last
            continue
        assert ended.returncode == 0, ended.stderr
        return


def test_nobody_can_cancel_what_the_clients_thread_has_to_answer() -> None:
    with mock_broker() as broker:
        producer = KafkaProducer(broker, "test")
        try:
            sent: Future[Sent] = producer.send_bytes("t", b"value")
            assert not sent.cancel()
            assert sent.result(DEADLINE_S).offset >= 0
        finally:
            producer.close()
