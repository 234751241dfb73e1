"""What the object store and the log say that a shard should hold, as heads of documents."""

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import confluent_kafka as ck

from contracts.batches import read_update
from contracts.codec import decode
from contracts.errors import DependencyDown, NotFound, TriremeError
from contracts.index_door import DocumentHead
from contracts.items import IndexUpdate, ItemSet
from contracts.topics import index_updates
from index_service.reading import head_of_items
from index_service.spec import ShardSpec
from index_service.stored import newest_items
from index_service.updates import check_items, check_update, read_inline
from runtime.kafka import Record, assigned_consumer, log_bounds, to_record
from runtime.object_store import ObjectStore

_CONCURRENT_GETS = 8
_POLL_S = 0.2
_TIMEOUT_S = 10.0


@dataclass(slots=True)
class Stored:
    """The newest items of each document of one shard in the object store.

    Args:
        unreadable: documents whose newest items a shard would not take.
    """

    heads: dict[str, DocumentHead] = field(default_factory=dict)
    unreadable: set[str] = field(default_factory=set)


async def stored_heads(
    spec: ShardSpec, store: ObjectStore, *, doc_ids: Iterable[str] | None = None, contents: bool = True
) -> Stored:
    """Read what is stored for a shard.

    Args:
        doc_ids: only these documents; all when None.
        contents: read the items too, for their sums; otherwise their keys alone.

    Raises:
        DependencyDown: the object store does not answer.
    """
    found = Stored()
    newest = list((await newest_items(spec, store, doc_ids=doc_ids)).values())
    if not contents:
        found.heads = {items.doc_id: _bare(items.doc_id, items.order) for items in newest}
        return found
    for start in range(0, len(newest), _CONCURRENT_GETS):
        batch = newest[start : start + _CONCURRENT_GETS]
        for items, data in zip(batch, await asyncio.gather(*(_get(store, one.key) for one in batch)), strict=True):
            if data is None:
                continue
            head = _head_of_stored(spec, data)
            if head is None or (head.doc_id, head.order) != (items.doc_id, items.order):
                found.unreadable.add(items.doc_id)
            else:
                found.heads[items.doc_id] = head
    return found


class LoggedHeads:
    """The newest update of each document in one partition of `index_updates`, read on from call to call.

    Updates that a shard refuses do not count. `offsets` has their places, so that what a shard has not applied yet
    can be told from what it has lost.
    """

    def __init__(self, bootstrap: str, spec: ShardSpec) -> None:
        self._bootstrap = bootstrap
        self._spec = spec
        self._topic = index_updates(spec.generation)
        self._next_offset: int | None = None
        self.heads: dict[str, DocumentHead] = {}
        self.offsets: dict[str, int] = {}

    def read_on(self, told: Callable[[int, int], None] = lambda _done, _of: None) -> int:
        """Read to the end as it is now; returns that offset. `told` hears how far it is.

        Raises:
            DependencyDown: Kafka does not answer.
        """
        consumer = assigned_consumer(self._bootstrap, "index-audit", partition_eof=True)
        partition = self._spec.shard
        try:
            first, end = log_bounds(consumer, self._topic, [partition], _TIMEOUT_S)[partition]
            start = first if self._next_offset is None else max(first, self._next_offset)
            consumer.assign([ck.TopicPartition(self._topic, partition, start)])
            place, moved_at = start, time.monotonic()
            while place < end:
                message = consumer.poll(_POLL_S)
                if message is None:
                    if time.monotonic() - moved_at > _TIMEOUT_S:
                        raise DependencyDown("kafka")
                    continue
                record = to_record(message)
                moved_at = time.monotonic()
                if record is None:
                    break
                self._take(record)
                place = record.offset + 1
                told(place - start, end - start)
            self._next_offset = end
            return end
        finally:
            consumer.close()

    def _take(self, record: Record) -> None:
        try:
            read = read_update(record.value)
        except TriremeError:
            return
        updates = [read] if isinstance(read, IndexUpdate) else [read.update_of(one) for one in read.documents]
        for update in updates:
            self._take_update(update, record.offset)

    def _take_update(self, update: IndexUpdate, offset: int) -> None:
        try:
            check_update(update, self._spec)
            known = self.heads.get(update.doc_id)
            if known is not None and known.order >= (update.version, update.revision):
                return
            head = _head_of_update(update, self._spec)
        except (TriremeError, ValueError):
            return
        self.heads[update.doc_id] = head
        self.offsets[update.doc_id] = offset


def _head_of_update(update: IndexUpdate, spec: ShardSpec) -> DocumentHead:
    """The head that an update leaves behind; without sums where its items lie in the store alone."""
    items = read_inline(update)
    if items is None:
        return _bare(update.doc_id, (update.version, update.revision), update)
    check_items(update, items)
    return head_of_items(items, spec)


def _head_of_stored(spec: ShardSpec, data: bytes) -> DocumentHead | None:
    try:
        items = decode(ItemSet, data)
        if (items.generation, items.space_id) != (spec.generation, spec.space_id):
            return None
        return head_of_items(items, spec)
    except (TriremeError, ValueError):
        return None


def _bare(doc_id: str, order: tuple[int, int], update: IndexUpdate | None = None) -> DocumentHead:
    version, revision = order
    op = update.op if update is not None else "upsert"
    return DocumentHead(doc_id=doc_id, version=version, revision=revision, op=op, items=0)


async def _get(store: ObjectStore, key: str) -> bytes | None:
    try:
        return await store.get(key)
    except NotFound:
        return None
