"""librdkafka's mock cluster with all fixed topics, in a process of its own, and what was written to it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from contracts.codec import decode
from contracts.documents import FileAdded
from contracts.status import StageEvent
from contracts.topics import DOCUMENT_STATUS, FILE_ADDED, FILE_PARTITIONS, STATUS_PARTITIONS
from runtime.kafka import Record, assigned_consumer, log_bounds, to_record
from stack.home import CHECKOUT

DEADLINE_S = 20.0


@contextmanager
def mock_kafka(folder: Path) -> Iterator[str]:
    """Address of the cluster."""
    file = folder / "kafka-address"
    command = [sys.executable, "-m", "stack.mock_broker", str(file), "g-mock", "1"]
    process = subprocess.Popen(command, cwd=CHECKOUT, env=dict(os.environ))
    try:
        deadline = time.monotonic() + DEADLINE_S
        while not file.exists():
            assert process.poll() is None, "the mock cluster ended"
            assert time.monotonic() < deadline, "the mock cluster does not start"
            time.sleep(0.02)
        yield file.read_text()
    finally:
        process.terminate()
        process.wait(DEADLINE_S)


def file_events(address: str) -> list[FileAdded]:
    """All `file_added` records, in the order in which their partitions hold them."""
    return [decode(FileAdded, record.value) for record in _all(address, FILE_ADDED, FILE_PARTITIONS)]


def door_events(address: str) -> list[StageEvent]:
    """All stage events."""
    return [decode(StageEvent, record.value) for record in _all(address, DOCUMENT_STATUS, STATUS_PARTITIONS)]


def records_of(address: str, topic: str) -> list[Record]:
    """All records of a topic with as many partitions as `file_added` has."""
    return _all(address, topic, FILE_PARTITIONS)


def _all(address: str, topic: str, n_partitions: int) -> list[Record]:
    import confluent_kafka as ck

    consumer = assigned_consumer(address, "test-reader")
    try:
        bounds = log_bounds(consumer, topic, range(n_partitions), DEADLINE_S)
        left = sum(end - begin for begin, end in bounds.values())
        consumer.assign([ck.TopicPartition(topic, p, begin) for p, (begin, end) in bounds.items() if end > begin])
        records: list[Record] = []
        deadline = time.monotonic() + DEADLINE_S
        while len(records) < left:
            assert time.monotonic() < deadline, f"{len(records)} of {left} records of {topic}"
            message = consumer.poll(0.5)
            record = to_record(message) if message is not None else None
            if record is not None:
                records.append(record)
        return records
    finally:
        consumer.close()
