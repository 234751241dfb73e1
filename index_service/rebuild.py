"""Rebuilds a shard from the joint items in the object store, when its snapshot and log no longer join up.

The store holds the state, the log the recent past: what is listed here is applied like any update, and the
log is replayed over it from its first record, so nothing depends on the moment of the listing.
"""

import asyncio
from collections.abc import Iterable

import numpy as np

from contracts.codec import decode
from contracts.errors import NotFound, TriremeError
from contracts.items import IndexUpdate, ItemSet
from index_service.documents import StoredDocument
from index_service.kinds.parameters import IndexParameters
from index_service.notices import Notice, applied_notice
from index_service.shard import DEFAULTS, Shard
from index_service.spec import ShardSpec
from index_service.stored import newest_items
from runtime.object_store import ObjectStore
from runtime.telemetry import get_logger

_LOG = get_logger(__name__)
_CONCURRENT_GETS = 8


async def rebuild(
    spec: ShardSpec,
    store: ObjectStore,
    at_ms: int,
    *,
    parameters: IndexParameters = DEFAULTS,
    tombstones: Iterable[StoredDocument] = (),
) -> tuple[Shard, list[Notice]]:
    """A shard with the newest stored items of each of its documents, and the stage events that say so.

    An object that cannot be used is logged and left out; the log may still bring the document.

    Args:
        tombstones: what is known to be removed already, by versions of the same log: it stays removed, even
            if its items are still in the store.

    Raises:
        DependencyDown: the object store does not answer.
    """
    shard = Shard(spec, parameters)
    for document in tombstones:
        shard.put(document, np.empty((0, spec.dim), dtype=np.float16), ())
    notices: list[Notice] = []
    keys = sorted(items.key for items in (await newest_items(spec, store)).values())
    for start in range(0, len(keys), _CONCURRENT_GETS):
        batch = keys[start : start + _CONCURRENT_GETS]
        for key, data in zip(batch, await asyncio.gather(*(_get(store, key) for key in batch)), strict=True):
            if data is None:
                continue
            try:
                items = decode(ItemSet, data)
                update = _update(items, data)
                applied = shard.apply(update, items)
            except TriremeError as exc:
                _LOG.error("stored_items_refused", shard=spec.shard, key=key, reason=exc.message)
                continue
            notice = applied_notice(update, applied, None, at_ms)
            if notice is not None:
                notices.append(notice)
    _LOG.info("shard_rebuilt", shard=spec.shard, documents=len(keys), items=shard.n_items)
    return shard, notices


async def _get(store: ObjectStore, key: str) -> bytes | None:
    try:
        return await store.get(key)
    except NotFound:
        return None


def _update(items: ItemSet, data: bytes) -> IndexUpdate:
    """The update that would have brought these items."""
    return IndexUpdate(
        op="upsert",
        tenant=items.tenant,
        doc_id=items.doc_id,
        version=items.version,
        revision=items.revision,
        generation=items.generation,
        space_id=items.space_id,
        inline=data,
    )
