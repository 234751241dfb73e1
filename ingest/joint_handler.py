"""The joint updater's own work: pairs halves, makes item sets, publishes them to every live generation.

Keeps no state: what has arrived is found in the store, so the order of arrival, repeats and restarts are all one.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from contracts.codec import decode, encode
from contracts.documents import Delayed
from contracts.errors import BadMessage, NotFound, Superseded
from contracts.generations import Generation, oldest_first
from contracts.halves import Half, HalfReady
from contracts.items import REVISION_JOINED, IndexUpdate, ItemSet, upsert
from contracts.keys import half_key, item_key
from contracts.space import Space
from contracts.topics import RETRY_DELAYS_S, Stage, retry_topic
from ingest.cleanup import Cleaner
from ingest.gone import GoneList
from ingest.joining import join
from ingest.live_generations import GenerationList, live, live_spaces_with
from ingest.one_space import for_one_space
from ingest.patience import Patience
from ingest.reading import JOIN_DEADLINE
from ingest.to_shard import to_shard
from ingest.work import Outcome, Outgoing, Work
from runtime.object_store import ObjectStore
from runtime.telemetry import get_logger

_log = get_logger(__name__)
_OTHER = {"text": "image", "image": "text"}


class Spaces(Protocol):
    """The joint spaces of the deployment; `runtime.space_files.SpaceBook` has them."""

    def all(self) -> Mapping[str, Space]:
        """Every space by its id."""
        ...

    def of(self, space_id: str) -> Space:
        """One of them. Raises SpaceMismatch."""
        ...


class JointHandler:
    """Handles records of the topic `embeddings` and join deadlines.

    Args:
        spaces: the joint spaces whose models are there.
        join_deadline_s: how long a half waits for the other before it is made searchable alone.
        now_ms: Unix time in ms.
    """

    stage: Stage = "join"
    announces = False

    def __init__(
        self,
        spaces: Spaces,
        store: ObjectStore,
        generations: GenerationList,
        gone: GoneList,
        *,
        patience: Patience,
        join_deadline_s: float,
        now_ms: Callable[[], int],
    ) -> None:
        self._spaces = spaces
        self._store = store
        self._cleaner = Cleaner(store)
        self._generations = generations
        self._gone = gone
        self._patience = patience
        self._join_deadline_s = join_deadline_s
        self._now_ms = now_ms

    async def handle(self, work: Work) -> Outcome:
        """Join what is there, or wait for the other half until the deadline; or remove a deleted document."""
        half = work.half
        if half is None:
            raise BadMessage("A record of the joint updater must point to a half.")
        if half.half == "deleted":
            return await self._patience(lambda: self._delete(work, half))
        return await self._patience(lambda: self._pair(work, half))

    async def _pair(self, work: Work, pointer: HalfReady) -> Outcome:
        own = await self._fetch(pointer, pointer.half)
        other = await self._fetch(pointer, _OTHER[pointer.half])
        if own is None:
            if work.at_deadline:
                return Outcome(state=None)
            raise Superseded("A newer version of the file took this one's place.")
        if other is None and not work.at_deadline:
            return Outcome(outgoing=(self._deadline(work),), state="running")
        if work.at_deadline and not work.attempt and other is not None:
            # The half that came second has been, or will be, joined in its own turn.
            return Outcome(state=None)
        if other is None and not (own.chunks or own.pictures):
            # An empty half alone says nothing yet: the other one will come, or its failure is the document's.
            return Outcome(state=None)
        text, image = (own, other) if own.half == "text" else (other, own)
        return await self._publish(work, pointer.space_id, text, image)

    async def _publish(self, work: Work, space_id: str, text: Half | None, image: Half | None) -> Outcome:
        spaces = await live_spaces_with(self._generations, space_id, self._spaces.all())
        known = await self._generations.all()
        if spaces and space_id not in spaces:
            return Outcome(state=None)  # The last index of this space was retired while it was embedded.
        generations = live(known, space_id)
        joined = join(self._spaces.of(space_id), text, image, generations[0].name)
        await self._refuse_if_replaced(work, generations)
        outgoing = [await self._store_items(joined, generation) for generation in generations]
        if not work.is_silent:
            halves = [half for half in (text, image) if half is not None]
            others = [other for other in spaces if other != space_id]
            outgoing += [request for other in others for request in await self._lacking(work, halves, other)]
        order = (joined.version, joined.revision)

        async def afterwards() -> None:
            for generation in generations:
                await self._cleaner.drop_items(generation.name, joined.doc_id, before=order)
            await self._cleaner.drop_halves(joined.space_id, joined.doc_id, before_version=joined.version)

        return Outcome(tuple(outgoing), count=len(joined.items), revision=joined.revision, afterwards=afterwards)

    async def _lacking(self, work: Work, halves: Sequence[Half], space_id: str) -> list[Outgoing]:
        """Requests for the halves that another live space lacks: its embedder had not heard of it, or failed."""
        requests: list[Outgoing] = []
        for half in halves:
            try:
                await self._store.head(half_key(space_id, half.doc_id, work.version, half.half))
            except NotFound:
                requests.append(for_one_space(work.document, work.version, half.half, space_id))
        return requests

    async def _store_items(self, joined: ItemSet, generation: Generation) -> Outgoing:
        items = msgspec.structs.replace(joined, generation=generation.name)
        key = item_key(generation.name, items.doc_id, items.version, items.revision)
        await self._store.put(key, encode(items))
        return to_shard(generation, upsert(items, key))

    async def _refuse_if_replaced(self, work: Work, generations: Sequence[Generation]) -> None:
        """Keep late work of old versions from leaving items in the store that nobody would remove."""
        try:
            await self._store.head(work.document.uri)
        except NotFound as exc:
            raise Superseded("The file was deleted while it was being read.") from exc
        for generation in generations:
            newest = await self._cleaner.newest_items(generation.name, work.document.doc_id)
            if newest is not None and newest[0] > work.version:
                raise Superseded("A newer version of the file is searchable already.")

    async def _delete(self, work: Work, pointer: HalfReady) -> Outcome:
        known = oldest_first(await self._generations.all())
        tombstones = [to_shard(generation, _tombstone(pointer, generation)) for generation in live(known)]

        async def afterwards() -> None:
            await self._gone.add(pointer.tenant, pointer.doc_id, pointer.version)
            await self._cleaner.erase(
                work.document,
                pointer.version,
                generations=[generation.name for generation in known],
                spaces={pointer.space_id, *(generation.space_id for generation in known)},
            )

        return Outcome(tuple(tombstones), revision=REVISION_JOINED, afterwards=afterwards)

    async def _fetch(self, pointer: HalfReady, name: str) -> Half | None:
        """A half of the pointer's version; None while it is not in the store."""
        self._spaces.of(pointer.space_id)
        try:
            data = await self._store.get(half_key(pointer.space_id, pointer.doc_id, pointer.version, name))
        except NotFound:
            return None
        half = decode(Half, data)
        if (half.doc_id, half.version, half.half) != (pointer.doc_id, pointer.version, name):
            raise BadMessage("The stored half belongs to another document.")
        if name == pointer.half and hashlib.sha256(data).hexdigest() != pointer.sha256:
            # The embedder did its work twice, after a crash; either result serves, and another pointer follows.
            _log.info("half_rewritten", doc_id=pointer.doc_id, version=pointer.version, half=name)
        return half

    def _deadline(self, work: Work) -> Outgoing:
        delay_s = min((d for d in RETRY_DELAYS_S if d >= self._join_deadline_s), default=RETRY_DELAYS_S[-1])
        message = Delayed(
            tenant=work.document.tenant,
            doc_id=work.document.doc_id,
            version=work.version,
            stage=self.stage,
            attempt=0,
            due_ms=self._now_ms() + int(self._join_deadline_s * 1000),
            cause=JOIN_DEADLINE,
            origin_topic=work.origin_topic,
            payload=work.payload,
        )
        return Outgoing(retry_topic(self.stage, delay_s), message, key=message.doc_id)


def _tombstone(pointer: HalfReady, generation: Generation) -> IndexUpdate:
    return IndexUpdate(
        op="delete",
        tenant=pointer.tenant,
        doc_id=pointer.doc_id,
        version=pointer.version,
        revision=REVISION_JOINED,
        generation=generation.name,
        space_id=generation.space_id,
    )
