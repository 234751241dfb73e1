"""Takes out of a generation that is being filled what its source no longer has. Safe to repeat."""

from contracts.codec import decode
from contracts.generations import Generation
from contracts.items import REVISION_EXPIRED, IndexUpdate, ItemSet
from contracts.keys import item_key, item_prefix, read_item_key
from ingest.backfill.differences import Order, newest_order
from ingest.publishing import RecordSink, publish
from ingest.to_shard import to_shard
from runtime.object_store import ObjectStore
from runtime.telemetry import new_trace


class TakingBack:
    """Removes documents from `target` as an expiry does: under their own version, so that any newer one wins."""

    def __init__(self, store: ObjectStore, sink: RecordSink, source: Generation, target: Generation) -> None:
        self._store = store
        self._sink = sink
        self._source = source
        self._target = target

    async def remove(self, doc_id: str) -> bool:
        """Take a document out of the target that the source no longer has; False when it has it after all."""
        if await newest_order(self._store, self._source.name, doc_id) is not None:
            return False
        removed = False
        for meta in [meta async for meta in self._store.list(item_prefix(self._target.name, doc_id))]:
            place = read_item_key(meta.key)
            if place is not None:
                items = decode(ItemSet, await self._store.get(meta.key))
                await self._take_back(doc_id, place.order, items.tenant)
                removed = True
        return removed

    async def if_gone(self, doc_id: str, order: Order, tenant: str) -> None:
        """Look at the original again after its copy was published, and take the copy back where it has gone.

        It may have gone since it was read, and whoever removed it, removed it from the target before the copy was
        there. Removal begins with the source, so looking there now tells.
        """
        newest = await newest_order(self._store, self._source.name, doc_id)
        if newest is None:
            await self._take_back(doc_id, order, tenant)
        elif newest != order:
            # A newer one came, for both generations or for the next look; the shard puts this copy aside.
            await self._store.delete(item_key(self._target.name, doc_id, *order))

    async def _take_back(self, doc_id: str, order: Order, tenant: str) -> None:
        version, _ = order
        gone = IndexUpdate(
            op="expire",
            tenant=tenant,
            doc_id=doc_id,
            version=version,
            revision=REVISION_EXPIRED,
            generation=self._target.name,
            space_id=self._target.space_id,
        )
        await publish(self._sink, [to_shard(self._target, gone)], new_trace())
        await self._store.delete(item_key(self._target.name, doc_id, *order))
