"""Copies one document's items from a generation to another of the same space.

Safe to repeat and to run while documents arrive and leave: shards order by (version, revision), and a copy whose
original vanished meanwhile is taken back.
"""

import msgspec

from contracts.codec import decode, encode
from contracts.errors import BadMessage, NotFound
from contracts.generations import Generation
from contracts.items import ItemSet, upsert
from contracts.keys import item_key
from ingest.backfill.differences import Order, newest_order
from ingest.backfill.taking_back import TakingBack
from ingest.publishing import RecordSink, publish
from ingest.to_shard import to_shard
from runtime.object_store import ObjectStore
from runtime.telemetry import new_trace


class ItemCopier:
    """Copies documents between two generations."""

    def __init__(self, store: ObjectStore, sink: RecordSink, source: Generation, target: Generation) -> None:
        self._store = store
        self._sink = sink
        self._source = source
        self._target = target
        self._taking_back = TakingBack(store, sink, source, target)

    async def copy(self, doc_id: str) -> bool:
        """Store and publish the newest items of a document; False when the source has none any more.

        Raises:
            BadMessage: the stored items cannot be used.
            DependencyDown: the store does not answer.
        """
        order = await newest_order(self._store, self._source.name, doc_id)
        if order is None:
            return False
        try:
            data = await self._store.get(item_key(self._source.name, doc_id, *order))
        except NotFound:
            # Replaced or removed a moment ago; a newer one is stored by whoever did it, and seen by the next look.
            return False
        items = self._for_target(data, doc_id, order)
        key = item_key(self._target.name, doc_id, *order)
        await self._store.put(key, encode(items))
        await publish(self._sink, [to_shard(self._target, upsert(items, key))], new_trace())
        await self._taking_back.if_gone(doc_id, order, items.tenant)
        return True

    async def remove(self, doc_id: str) -> bool:
        """Take a document out of the target that the source no longer has; False when it has it after all."""
        return await self._taking_back.remove(doc_id)

    def _for_target(self, data: bytes, doc_id: str, order: Order) -> ItemSet:
        items = decode(ItemSet, data)
        if (items.doc_id, items.version, items.revision) != (doc_id, *order):
            raise BadMessage("The stored items belong to another document or version than their key says.")
        if items.space_id != self._target.space_id:
            raise BadMessage("The stored items are of another space.")
        return msgspec.structs.replace(items, generation=self._target.name)
