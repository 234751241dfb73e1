"""Reads and writes the compacted topic `index_generations`: the latest record of each generation counts."""

import contextlib
import time
from collections.abc import Iterable

import confluent_kafka as ck

from contracts.codec import decode
from contracts.errors import DependencyDown
from contracts.generations import Generation
from contracts.topics import INDEX_GENERATIONS
from runtime.kafka import assigned_consumer, log_bounds, to_record
from runtime.kafka_producer import KafkaProducer

_POLL_S = 0.2


class GenerationReader:
    """Knows the generations as the log says. It keeps its consumer and what it has read, so that a look at what is
    new costs one question to the broker. Used by one thread at a time.
    """

    def __init__(self, bootstrap: str, client_id: str = "generations") -> None:
        self._bootstrap = bootstrap
        self._client_id = client_id
        self._consumer: ck.Consumer | None = None
        self._next_offset = 0
        self._found: dict[str, Generation] = {}

    def read(self, *, timeout_s: float = 10.0) -> dict[str, Generation]:
        """All generations by name, as the log says now. Blocks up to about `timeout_s`.

        Raises:
            DependencyDown: Kafka did not answer in time; the next call starts over.
            BadMessage: the topic holds a record that cannot be read.
        """
        try:
            self._read(time.monotonic() + timeout_s)
        except BaseException:
            self.close()
            raise
        return dict(self._found)

    def close(self) -> None:
        """Let the consumer go; a later `read` opens another."""
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None

    def _read(self, deadline: float) -> None:
        fresh = self._consumer is None
        if self._consumer is None:
            self._consumer = assigned_consumer(self._bootstrap, self._client_id, partition_eof=True)
        left_s = max(0.1, deadline - time.monotonic())
        first, end = log_bounds(self._consumer, INDEX_GENERATIONS, [0], left_s)[0]
        if fresh or end < self._next_offset:
            # A log that ends before what was read is another one.
            self._found, self._next_offset = {}, first
            self._consumer.assign([ck.TopicPartition(INDEX_GENERATIONS, 0, first)])
        while self._next_offset < end:
            if time.monotonic() > deadline:
                raise DependencyDown("kafka")
            message = self._consumer.poll(_POLL_S)
            if message is None:
                continue
            record = to_record(message)
            if record is None:
                # The end of what there is: compaction has taken the rest. A record that came later is read next.
                self._next_offset = max(self._next_offset, message.offset() or 0)
                continue
            self._next_offset = record.offset + 1
            if record.value:
                generation = decode(Generation, record.value)
                self._found[generation.name] = generation
            elif record.key:
                self._found.pop(record.key, None)


def read_generations(bootstrap: str, *, timeout_s: float = 10.0) -> dict[str, Generation]:
    """All generations by name, as the log says now, once.

    Raises:
        DependencyDown: Kafka did not answer in time.
        BadMessage: the topic holds a record that cannot be read.
    """
    with contextlib.closing(GenerationReader(bootstrap)) as reader:
        return reader.read(timeout_s=timeout_s)


def publish_generation(producer: KafkaProducer, generation: Generation, *, timeout_s: float = 10.0) -> None:
    """Write a generation's new state and wait for the acknowledgement.

    Raises:
        DependencyDown: it was not acknowledged in time.
    """
    sent = producer.send(INDEX_GENERATIONS, generation, key=generation.name, partition=0)
    try:
        sent.result(timeout=timeout_s)
    except TimeoutError as exc:
        raise DependencyDown("kafka") from exc


def publish_generations(bootstrap: str, generations: Iterable[Generation], *, timeout_s: float = 10.0) -> None:
    """Write several records in this order, each acknowledged before the next one is sent.

    Raises:
        DependencyDown: one was not acknowledged in time; those before it are written.
    """
    producer = KafkaProducer(bootstrap, "generations")
    try:
        for generation in generations:
            publish_generation(producer, generation, timeout_s=timeout_s)
    finally:
        producer.close()
