"""Brings item sets into a generation: into the object store, then through the log, as the joint updater does.

(version, revision) decide as ever: an import may be repeated, and never brings back what was deleted or replaced.
"""

import asyncio
import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from typing import Literal, Protocol

import msgspec

from contracts.codec import Message, encode
from contracts.errors import Conflict, DeadlineExceeded, DependencyDown, SpaceMismatch
from contracts.ids import epoch_of, partition_of, shard_of, version_of
from contracts.index_door import DocumentHead, ShardState
from contracts.items import ItemSet, upsert
from contracts.keys import item_key
from contracts.topics import FILE_ADDED, index_updates
from index_service.reading import head_of_items
from index_service.spec import ShardSpec
from runtime.kafka import assigned_consumer, log_bounds
from runtime.kafka_producer import Sent
from runtime.object_store import ObjectStore

_BATCH_DOCUMENTS = 64
_CONCURRENT_PUTS = 8
_ACK_TIMEOUT_S = 30.0
_APPLY_TIMEOUT_S = 120.0
_POLL_S = 0.2
_KAFKA_TIMEOUT_S = 10.0

Outcome = Literal["imported", "already_there", "newer_there", "refused"]
Told = Callable[[str], None]


class ImportReport(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the documents of an import.

    Args:
        imported: searchable now. already_there: at the same version. newer_there: the shard holds a newer version,
            or knows that the document was removed. refused: the shard did not take them; they are dead letters.
    """

    imported: int = 0
    already_there: int = 0
    newer_there: int = 0
    refused: int = 0


class ShardView(Protocol):
    """What an import asks a shard; `client.index_door.IndexDoor` knows it."""

    def state(self, shard: int) -> ShardState | None:
        """One shard of the process."""
        ...

    def heads_of(self, shard: int, doc_ids: Sequence[str]) -> tuple[dict[str, DocumentHead], int]:
        """Heads of those of these documents that the shard knows."""
        ...


class Producer(Protocol):
    """Sends updates; `runtime.kafka_producer.KafkaProducer` does."""

    def send(
        self, topic: str, message: Message, *, key: str | None = None, partition: int | None = None
    ) -> "Future[Sent]":
        """Queue a message."""
        ...


class Import:
    """Imports into one generation.

    Args:
        spec: of any shard of the generation.
        shards: where to ask each shard, by number.
        newest_version: the newest version that the log has given out for a document id (`given_out`).
    """

    def __init__(
        self,
        spec: ShardSpec,
        shards: Mapping[int, ShardView],
        store: ObjectStore,
        producer: Producer,
        newest_version: Callable[[str], int],
    ) -> None:
        self._spec = spec
        self._shards = shards
        self._store = store
        self._producer = producer
        self._newest_version = newest_version
        self._sent: dict[int, int] = {}
        self._published: list[DocumentHead] = []

    async def run(self, documents: Iterable[ItemSet], told: Told = lambda _: None) -> ImportReport:
        """Import documents that were checked; `told` hears how far it is.

        Raises:
            DependencyDown: log, store or a shard is away. DeadlineExceeded: a shard does not come to what was
                sent. Import again: what is there is passed over.
        """
        counts: dict[Outcome, int] = {"imported": 0, "already_there": 0, "newer_there": 0, "refused": 0}
        for batch in _batches(documents):
            for outcome in await self._take([self._moved(document) for document in batch]):
                counts[outcome] += 1
            told(f"{len(self._published)} sent, {counts['already_there'] + counts['newer_there']} there already")
        await self._until_applied()
        for outcome in await self._outcomes():
            counts[outcome] += 1
        return ImportReport(**counts)

    def check(self, documents: Iterable[ItemSet]) -> int:
        """Check all documents before any is sent; returns how many there are.

        Raises:
            SpaceMismatch: they are of another space. BadMessage: no shard would take one of them.
            Conflict: a version that the log has not given out yet; later uploads would count as older than it.
        """
        n = 0
        for document in documents:
            if document.space_id != self._spec.space_id:
                raise SpaceMismatch(
                    f"The file's vectors are of space {document.space_id}, the index is of {self._spec.space_id}."
                )
            newest = self._newest_version(document.doc_id)
            if document.version > newest:
                raise Conflict(
                    f"The file has version {document.version} of {document.doc_id}, the log has come to {newest}: "
                    "later uploads would count as older. Raise the log's epoch first (--raise-epoch "
                    f"{epoch_of(document.version) + 1})."
                )
            head_of_items(self._moved(document), self._spec)
            n += 1
        return n

    def _moved(self, document: ItemSet) -> ItemSet:
        return msgspec.structs.replace(document, generation=self._spec.generation)

    async def _take(self, documents: Sequence[ItemSet]) -> list[Outcome]:
        """Publish what is news; the outcomes of the others."""
        heads = await self._heads([document.doc_id for document in documents])
        outcomes: list[Outcome] = []
        news = []
        for document in documents:
            head, order = heads.get(document.doc_id), (document.version, document.revision)
            if head is None or head.order < order:
                news.append(document)
            else:
                outcomes.append("already_there" if head.order == order else "newer_there")
        for start in range(0, len(news), _CONCURRENT_PUTS):
            await asyncio.gather(
                *(self._store.put(_key(d), encode(d)) for d in news[start : start + _CONCURRENT_PUTS])
            )
        await self._publish(news)
        self._published += [head_of_items(document, self._spec) for document in news]
        return outcomes

    async def _publish(self, documents: Sequence[ItemSet]) -> None:
        futures = []
        for document in documents:
            shard = shard_of(document.doc_id, self._spec.n_shards)
            topic = index_updates(self._spec.generation)
            update = upsert(document, _key(document))
            futures.append(self._producer.send(topic, update, key=document.doc_id, partition=shard))
        try:
            async with asyncio.timeout(_ACK_TIMEOUT_S):
                for sent in await asyncio.gather(*(asyncio.wrap_future(future) for future in futures)):
                    self._sent[sent.partition] = max(sent.offset, self._sent.get(sent.partition, -1))
        except TimeoutError as exc:
            raise DependencyDown("kafka") from exc

    async def _until_applied(self) -> None:
        """Wait until every shard has come past what was sent to it."""
        deadline = time.monotonic() + _APPLY_TIMEOUT_S
        for shard, offset in self._sent.items():
            while True:
                state = await asyncio.to_thread(self._shards[shard].state, shard)
                if state is not None and state.next_offset is not None and state.next_offset > offset:
                    break
                if time.monotonic() > deadline:
                    raise DeadlineExceeded(f"Shard {shard} has not come to what was imported; it goes on.")
                await asyncio.sleep(_POLL_S)

    async def _outcomes(self) -> list[Outcome]:
        """What the shards made of what was published. Items that lost against a newer version are taken back."""
        heads = await self._heads([head.doc_id for head in self._published])
        outcomes: list[Outcome] = []
        for ours in self._published:
            head = heads.get(ours.doc_id)
            if head is None or head.order < ours.order:
                outcomes.append("refused")
            elif head.order == ours.order:
                outcomes.append("imported")
            else:
                outcomes.append("newer_there")
                await self._store.delete(item_key(self._spec.generation, ours.doc_id, ours.version, ours.revision))
        return outcomes

    async def _heads(self, doc_ids: Sequence[str]) -> dict[str, DocumentHead]:
        by_shard: dict[int, list[str]] = {}
        for doc_id in doc_ids:
            by_shard.setdefault(shard_of(doc_id, self._spec.n_shards), []).append(doc_id)
        found: dict[str, DocumentHead] = {}
        for shard, ids in by_shard.items():
            heads, _ = await asyncio.to_thread(self._shards[shard].heads_of, shard, ids)
            found |= heads
        return found


def given_out(bootstrap: str, log_epoch: int, n_partitions: int) -> Callable[[str], int]:
    """A function that tells the newest version that the log can have given out for a document id.

    Raises:
        DependencyDown: Kafka does not answer.
    """
    consumer = assigned_consumer(bootstrap, "index-import")
    try:
        bounds = log_bounds(consumer, FILE_ADDED, range(n_partitions), _KAFKA_TIMEOUT_S)
    finally:
        consumer.close()

    def newest(doc_id: str) -> int:
        _, end = bounds[partition_of(doc_id, n_partitions)]
        return version_of(log_epoch, end) - 1

    return newest


def _batches(documents: Iterable[ItemSet]) -> Iterator[list[ItemSet]]:
    rest = iter(documents)
    while batch := list(itertools.islice(rest, _BATCH_DOCUMENTS)):
        yield batch


def _key(document: ItemSet) -> str:
    return item_key(document.generation, document.doc_id, document.version, document.revision)
