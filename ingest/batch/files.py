"""The columnar file of one batch for one shard, made of the items that lie in the store."""

import asyncio
from collections.abc import Sequence

from contracts.batches import BatchUpdate, batch_update, write_batch
from contracts.codec import decode
from contracts.generations import Generation
from contracts.item_columns import FileHeader
from contracts.items import ItemSet
from contracts.keys import batch_file_key, item_key
from contracts.space import Space
from ingest.batch.work import DocumentEnd
from runtime.object_store import ObjectStore

_GETS_AT_ONCE = 16


async def store_shard_file(
    store: ObjectStore,
    batch_id: str,
    generation: Generation,
    space: Space,
    shard: int,
    ends: Sequence[DocumentEnd],
) -> BatchUpdate:
    """Store the items of these documents of one shard as one file; returns the record that brings it.

    Raises:
        NotFound, DependencyDown: an item set is not there, or the store is away.
    """
    documents: list[ItemSet] = []
    for start in range(0, len(ends), _GETS_AT_ONCE):
        keys = [
            item_key(generation.name, end.doc_id, end.version, end.revision)
            for end in ends[start : start + _GETS_AT_ONCE]
        ]
        documents += [decode(ItemSet, data) for data in await asyncio.gather(*map(store.get, keys))]
    header = FileHeader(
        generation=generation.name,
        space_id=space.space_id,
        text_dim=space.text_dim,
        image_dim=space.image_dim,
    )
    data = await asyncio.to_thread(write_batch, documents, header)
    key = batch_file_key(generation.name, batch_id, shard)
    await store.put(key, data)
    return batch_update(batch_id, documents, data, key)
