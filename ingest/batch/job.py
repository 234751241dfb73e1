"""A batch job from start to end: claims, tasks, records, statuses, and a checkpoint after each batch.

Where tasks run is the runner's: `ingest.batch.spark` has them done by Spark.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from contracts.generations import Generation
from contracts.topics import index_updates
from ingest.batch.checkpoint import BatchCheckpoint, Claim, read_batch_checkpoint, write_batch_checkpoint
from ingest.batch.reporting import told_of
from ingest.batch.settings import BatchSettings
from ingest.batch.tasks import EmbedTask, FileTask, embed, file, read_ends, read_record
from ingest.batch.work import DocumentEnd, shards_of
from ingest.clock import now_ms
from ingest.publishing import RecordSink, publish
from ingest.work import Outgoing
from runtime.object_store import ObjectStore
from runtime.telemetry import new_trace

Do = Callable[[BatchSettings, bytes], bytes]
DOCUMENTS_PER_TASK = 100


class Runner(Protocol):
    """Has tasks done, anywhere; results in the order of the tasks."""

    def run(self, do: Do, settings: BatchSettings, tasks: Sequence[bytes]) -> list[bytes]:
        """Do all tasks; raises when one cannot be done."""
        ...


class Claims(Protocol):
    """Gives a batch its documents; `ingest.batch.claiming.Claiming` does."""

    async def names(self) -> list[str]:
        """All that the source holds, in an order that stays."""
        ...

    async def claim(self, names: Sequence[str]) -> BatchCheckpoint:
        """Claim those that are not indexed as they are."""
        ...


@dataclass(frozen=True, slots=True)
class BatchDone:
    """A batch's end. `was_done`: by an earlier run of the job."""

    number: int
    of: int
    checkpoint: BatchCheckpoint
    was_done: bool


class BatchJob:
    """Brings the documents of a source into the index, batch by batch.

    Killed at any moment and run again, it goes on: finished batches are passed over, claimed documents keep their
    versions, and what a shard holds already it takes for a repetition.
    """

    def __init__(
        self,
        job: str,
        settings: BatchSettings,
        store: ObjectStore,
        sink: RecordSink,
        claiming: Claims,
        generations: Sequence[Generation],
        runner: Runner,
    ) -> None:
        self._job = job
        self._settings = settings
        self._store = store
        self._sink = sink
        self._claiming = claiming
        self._generations = tuple(generations)
        self._runner = runner

    async def run(self, per_batch: int, told: Callable[[BatchDone], None] = lambda _: None) -> list[BatchDone]:
        """Do every batch that is not done; `told` hears of each.

        Raises:
            DependencyDown: store, log or a model is away. Run it again.
        """
        names = await self._claiming.names()
        starts = range(0, len(names), per_batch)
        ends: list[BatchDone] = []
        for number, start in enumerate(starts):
            known = await read_batch_checkpoint(self._store, self._job, number)
            if known is not None and known.finished:
                done = BatchDone(number, len(starts), known, was_done=True)
            else:
                checkpoint = await self._batch(number, known, names[start : start + per_batch])
                done = BatchDone(number, len(starts), checkpoint, was_done=False)
            ends.append(done)
            told(done)
        return ends

    async def _batch(self, number: int, known: BatchCheckpoint | None, names: Sequence[str]) -> BatchCheckpoint:
        began = time.monotonic()
        if known is None:
            known = await self._claiming.claim(names)
            await write_batch_checkpoint(self._store, self._job, number, known)
        ends = self._embedded(known.claims)
        await self._publish_items(f"{self._job}-{number}", ends)
        await self._publish_status(known.claims, ends)
        finished = msgspec.structs.replace(
            known,
            finished=True,
            indexed=sum(end.is_indexed for end in ends),
            failed=sum(not end.is_indexed for end in ends),
            seconds=time.monotonic() - began,
        )
        await write_batch_checkpoint(self._store, self._job, number, finished)
        return finished

    def _embedded(self, claims: Sequence[Claim]) -> list[DocumentEnd]:
        tasks = [
            msgspec.msgpack.encode(
                EmbedTask(claims=tuple(claims[i : i + DOCUMENTS_PER_TASK]), generations=self._generations)
            )
            for i in range(0, len(claims), DOCUMENTS_PER_TASK)
        ]
        done = self._runner.run(embed, self._settings, tasks) if tasks else []
        return [end for data in done for end in read_ends(data)]

    async def _publish_items(self, batch_id: str, ends: Sequence[DocumentEnd]) -> None:
        tasks = [
            FileTask(batch_id=batch_id, generation=generation, shard=shard, ends=tuple(theirs))
            for generation in self._generations
            for shard, theirs in sorted(shards_of(ends, generation.n_shards).items())
        ]
        if not tasks:
            return
        done = self._runner.run(file, self._settings, [msgspec.msgpack.encode(task) for task in tasks])
        records = [
            Outgoing(index_updates(task.generation.name), read_record(data), key=batch_id, partition=task.shard)
            for task, data in zip(tasks, done, strict=True)
        ]
        await publish(self._sink, records, new_trace())

    async def _publish_status(self, claims: Sequence[Claim], ends: Sequence[DocumentEnd]) -> None:
        at_ms = now_ms()
        for claim, end in zip(claims, ends, strict=True):
            await publish(self._sink, told_of(claim, end, at_ms), new_trace())
