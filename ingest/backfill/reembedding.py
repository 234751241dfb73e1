"""Brings one document to a generation of another space: the embedders read its file again, in the bulk lane.

Nothing is embedded here. What is asked for has happened once the document's items lie in the target, and it is
safe to ask twice: halves and items are written under the document's own version.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from contracts.codec import decode
from contracts.documents import FileAdded
from contracts.errors import BadMessage, InvalidInput, NotFound
from contracts.generations import Generation
from contracts.items import REVISION_ONE_SIDED, ItemSet
from contracts.keys import item_key, object_key
from ingest.backfill.differences import Order, newest_order
from ingest.backfill.taking_back import TakingBack
from ingest.one_space import for_one_space
from ingest.publishing import RecordSink, publish
from runtime.object_store import ObjectStore
from runtime.telemetry import new_trace

AT_ONCE = 16
"""Documents asked for and not there yet: enough for the embedders, few enough for a pause to be felt."""
_POLL_S = 0.3
# Longer than all the tries of a document whose encoder is away (`contracts.topics.RETRY_DELAYS_S`).
_LONGEST_WAIT_S = 3600.0


class Refusals(Protocol):
    """Knows what could not be embedded; `ingest.backfill.letters.SpaceLetters` does."""

    def reason(self, doc_id: str, version: int, *, one_sided: bool) -> str | None:
        """Why a version will not come, or None.

        Args:
            one_sided: half of it is enough, because there never was more.
        """
        ...


class Reembedder:
    """Has documents of `source` embedded for the space of `target`.

    Args:
        stop: when set, what was asked for is not waited for any more; the embedders do it all the same.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        store: ObjectStore,
        sink: RecordSink,
        source: Generation,
        target: Generation,
        refusals: Refusals,
        stop: asyncio.Event,
        *,
        clock: Callable[[], float] = time.monotonic,
        poll_s: float = _POLL_S,
        longest_wait_s: float = _LONGEST_WAIT_S,
    ) -> None:
        self._store = store
        self._sink = sink
        self._source = source
        self._target = target
        self._refusals = refusals
        self._stop = stop
        self._clock = clock
        self._poll_s = poll_s
        self._longest_wait_s = longest_wait_s
        self._taking_back = TakingBack(store, sink, source, target)

    async def copy(self, doc_id: str) -> bool:
        """Have a document embedded and wait for it; False when the source has it no more, or another version.

        Raises:
            BadMessage: it cannot be: its file is gone, or an embedder has given up.
            DependencyDown: the store does not answer.
        """
        order = await newest_order(self._store, self._source.name, doc_id)
        if order is None:
            return False
        try:
            items = decode(ItemSet, await self._store.get(item_key(self._source.name, doc_id, *order)))
        except NotFound:
            return False  # Replaced or removed a moment ago.
        document = await self._file_of(items)
        requests = [
            for_one_space(document, items.version, stage, self._target.space_id) for stage in ("text", "image")
        ]
        await publish(self._sink, requests, new_trace())
        if not await self._arrived(doc_id, order):
            return False
        await self._taking_back.if_gone(doc_id, order, items.tenant)
        return True

    async def remove(self, doc_id: str) -> bool:
        """Take a document out of the target that the source no longer has; False when it has it after all."""
        return await self._taking_back.remove(doc_id)

    async def _arrived(self, doc_id: str, order: Order) -> bool:
        version, revision = order
        deadline_s = self._clock() + self._longest_wait_s
        while not self._stop.is_set():
            there = await newest_order(self._store, self._target.name, doc_id)
            if there is not None and there >= order:
                return True
            if await newest_order(self._store, self._source.name, doc_id) != order:
                return False
            reason = self._refusals.reason(doc_id, version, one_sided=revision == REVISION_ONE_SIDED)
            if reason is not None:
                raise BadMessage(reason)
            if self._clock() > deadline_s:
                raise BadMessage("It was not embedded in time: are both embedders at work?")
            await asyncio.sleep(self._poll_s)
        return False

    async def _file_of(self, items: ItemSet) -> FileAdded:
        """The document's file as its event named it, with the etag that it has now."""
        try:
            uri = object_key(items.tenant, items.collection, items.source_key)
            meta = await self._store.head(uri)
        except (NotFound, InvalidInput) as exc:
            raise BadMessage("Its file is not in the object store, so it cannot be embedded again.") from exc
        return FileAdded(
            event="added",
            tenant=items.tenant,
            collection=items.collection,
            doc_id=items.doc_id,
            source_key=items.source_key,
            uri=uri,
            etag=meta.etag,
            content_type=items.content_type,
            size_bytes=meta.size_bytes,
            at_ms=items.added_ms,
            readers=items.readers,
        )
