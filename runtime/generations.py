"""Reads and writes the compacted topic `index_generations`: the latest record of each generation counts."""

import time

import confluent_kafka as ck

from contracts.codec import decode
from contracts.errors import DependencyDown
from contracts.generations import LIVE_STATES, Generation
from contracts.topics import INDEX_GENERATIONS
from runtime.kafka import assigned_consumer, log_bounds, to_record
from runtime.kafka_producer import KafkaProducer


def read_generations(bootstrap: str, *, timeout_s: float = 10.0) -> dict[str, Generation]:
    """All generations by name, as the log says now.

    Raises:
        DependencyDown: Kafka did not answer in time.
    """
    consumer = assigned_consumer(bootstrap, "generations", partition_eof=True)
    deadline = time.monotonic() + timeout_s
    found: dict[str, Generation] = {}
    try:
        first, end = log_bounds(consumer, INDEX_GENERATIONS, [0], timeout_s)[0]
        consumer.assign([ck.TopicPartition(INDEX_GENERATIONS, 0, first)])
        at_end = first >= end
        while not at_end:
            if time.monotonic() > deadline:
                raise DependencyDown("kafka")
            message = consumer.poll(0.2)
            record = to_record(message) if message is not None else None
            if record is not None and record.value:
                generation = decode(Generation, record.value)
                found[generation.name] = generation
            at_end = message is not None and (record is None or record.offset + 1 >= end)
    finally:
        consumer.close()
    return found


def live_generations(generations: dict[str, Generation]) -> list[Generation]:
    """Generations that take updates, oldest first."""
    live = [generation for generation in generations.values() if generation.state in LIVE_STATES]
    return sorted(live, key=lambda generation: (generation.created_ms, generation.name))


def serving_generation(generations: dict[str, Generation]) -> Generation | None:
    """The generation that searches go to: the youngest in state "serving"."""
    serving = [g for g in live_generations(generations) if g.state == "serving"]
    return serving[-1] if serving else None


def publish_generation(producer: KafkaProducer, generation: Generation, *, timeout_s: float = 10.0) -> None:
    """Write a generation's new state and wait for the acknowledgement."""
    sent = producer.send(INDEX_GENERATIONS, generation, key=generation.name, partition=0)
    sent.result(timeout=timeout_s)
