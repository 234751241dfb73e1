"""Hands documents in as a backfill does, and follows on `document_status` how each comes through."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

import confluent_kafka as ck

from benchmarks.ingest.corpus import Source
from contracts.codec import decode
from contracts.errors import DeadlineExceeded
from contracts.ids import DEFAULT_TENANT, document_id
from contracts.status import StageEvent, StatusStage
from contracts.topics import DOCUMENT_STATUS, STATUS_PARTITIONS
from runtime.kafka import assigned_consumer, log_bounds, to_record
from runtime.kafka_producer import KafkaProducer
from runtime.log_epoch import read_log_epoch
from runtime.object_store import ObjectStore
from runtime.publishing import DocumentPublisher
from runtime.telemetry import new_trace
from stack.state import StackState

COLLECTION = "bench"
_AT_ONCE = 16
_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Passage:
    """How a set of documents came through.

    Args:
        wall_s: from the first one handed in to the last one searchable.
        in_stage_s: median seconds from a stage's "running" to its "done"; of "join" and "shard", from what they
            waited for to "done".
        failed: documents that ended in no index.
    """

    documents: int
    pages: int
    wall_s: float
    in_stage_s: dict[str, float]
    failed: int


class StatusReader:
    """Reads `document_status` from the end that it has when this is made."""

    def __init__(self, bootstrap: str) -> None:
        self._consumer = assigned_consumer(bootstrap, "bench-status")
        bounds = log_bounds(self._consumer, DOCUMENT_STATUS, range(STATUS_PARTITIONS), _TIMEOUT_S)
        self._consumer.assign([ck.TopicPartition(DOCUMENT_STATUS, p, end) for p, (_, end) in bounds.items()])

    def read(self, wait_s: float) -> list[StageEvent]:
        """What came; waits for at most `wait_s` for the first record."""
        events = []
        for message in self._consumer.consume(500, wait_s):
            record = to_record(message)
            if record is not None:
                events.append(decode(StageEvent, record.value))
        return events

    def close(self) -> None:
        """Leave."""
        self._consumer.close()


async def hand_in(state: StackState, sources: Sequence[Source]) -> None:
    """Put files into the store and announce them in the bulk lane."""
    store, producer = ObjectStore.from_url(state.object_store_url), KafkaProducer(state.kafka_bootstrap, "bench")
    publisher = DocumentPublisher(store, producer, await read_log_epoch(store))
    slots = asyncio.Semaphore(_AT_ONCE)

    async def one(source: Source) -> None:
        async with slots:
            await publisher.publish(
                DEFAULT_TENANT,
                COLLECTION,
                source.name,
                source.data,
                source.content_type,
                new_trace(),
                lane="bulk",
            )

    try:
        await asyncio.gather(*(one(source) for source in sources))
    finally:
        await asyncio.to_thread(producer.close)


async def bring_through(state: StackState, sources: Sequence[Source], *, timeout_s: float) -> Passage:
    """Hand documents in and wait until the last one is searchable.

    Raises:
        DeadlineExceeded: some were not within `timeout_s`.
    """
    reader = await asyncio.to_thread(StatusReader, state.kafka_bootstrap)
    open_ids = {document_id(DEFAULT_TENANT, COLLECTION, source.name) for source in sources}
    events: dict[tuple[str, StatusStage, str], int] = {}
    failed: set[str] = set()
    began = time.perf_counter()
    handing_in = asyncio.create_task(hand_in(state, sources))
    try:
        while open_ids:
            if time.perf_counter() - began > timeout_s:
                raise DeadlineExceeded(f"{len(open_ids)} of {len(sources)} documents are not searchable.")
            for event in await asyncio.to_thread(reader.read, 0.2):
                events.setdefault((event.doc_id, event.stage, event.state), event.at_ms)
                if event.state == "failed" and event.doc_id in open_ids:
                    failed.add(event.doc_id)
                if event.state == "failed" or (event.stage == "shard" and event.state == "done"):
                    open_ids.discard(event.doc_id)
        wall_s = time.perf_counter() - began
        await handing_in
    finally:
        handing_in.cancel()
        await asyncio.to_thread(reader.close)
    pages = sum(source.pages for source in sources)
    return Passage(len(sources), pages, wall_s, _in_stage(events), len(failed))


def _in_stage(events: dict[tuple[str, StatusStage, str], int]) -> dict[str, float]:
    """Median seconds in each stage."""
    spans: dict[str, list[float]] = {stage: [] for stage in ("text", "image", "join", "shard")}
    for doc_id in {doc_id for doc_id, _, _ in events}:

        def at(stage: StatusStage, state: str, doc_id: str = doc_id) -> int | None:
            return events.get((doc_id, stage, state))

        halves = [at("text", "done"), at("image", "done")]
        known = [half for half in halves if half is not None]
        steps: list[tuple[str, int | None, int | None]] = [
            ("text", at("text", "running"), at("text", "done")),
            ("image", at("image", "running"), at("image", "done")),
            ("join", max(known) if len(known) == 2 else None, at("join", "done")),
            ("shard", at("join", "done"), at("shard", "done")),
        ]
        for stage, start, end in steps:
            if start is not None and end is not None:
                spans[stage].append(max(0, end - start) / 1000)
    return {stage: statistics.median(values) for stage, values in spans.items() if values}
