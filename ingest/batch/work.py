"""A batch's work on documents, as one task of it does: read, embed, join, store. Publishes nothing.

The same handlers as the workers', so that a document comes out the same by either way.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from contracts.codec import decode, encode
from contracts.errors import DocumentFailed, NotFound, Superseded
from contracts.generations import Generation
from contracts.halves import Half
from contracts.ids import shard_of
from contracts.items import ItemSet
from contracts.keys import half_key, item_key
from contracts.topics import FILE_ADDED, Stage
from ingest.batch.checkpoint import Claim
from ingest.joining import join
from ingest.work import Handler, Work
from runtime.object_store import ObjectStore
from runtime.space_files import SpaceBook
from runtime.telemetry import new_trace


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """Why a stage gave a document up; `cause` None where a newer event replaced it."""

    cause: str | None
    reason: str


class DocumentEnd(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one document.

    Args:
        counts: chunks, pictures and items, by the stage that made them.
        faults: by stage. A document with a fault at "join" is not indexed.
        revision: of its items.
    """

    doc_id: str
    version: int
    counts: dict[str, int]
    faults: dict[str, Fault]
    revision: int

    @property
    def is_indexed(self) -> bool:
        """Whether it has items."""
        return "join" not in self.faults


def stage_work(claim: Claim, stage: Stage) -> Work:
    """A claimed document's turn at a stage. Its payload is unclaimed, so that a requeue goes to the workers."""
    return Work(
        stage=stage,
        document=claim.document,
        half=None,
        version=claim.version,
        attempt=0,
        at_deadline=False,
        in_bulk_lane=True,
        origin_topic=FILE_ADDED,
        payload=encode(claim.document),
        trace=new_trace(),
    )


@dataclass(frozen=True, slots=True)
class DocumentWork:
    """Does documents, several at once, so that Triton gets groups of many documents' inputs.

    Args:
        generations: live ones; each gets its item set, in its own space.
    """

    store: ObjectStore
    text: Handler
    image: Handler
    spaces: SpaceBook
    generations: Sequence[Generation]
    at_once: int = 16

    async def run(self, claims: Sequence[Claim]) -> list[DocumentEnd]:
        """Bring each document's items into the store, or say why not.

        Raises:
            DependencyDown: a service stays away; do the task again, what is stored already is stored anew.
        """
        turns = asyncio.Semaphore(self.at_once)

        async def one(claim: Claim) -> DocumentEnd:
            async with turns:
                return await self._one(claim)

        return list(await asyncio.gather(*(one(claim) for claim in claims)))

    async def _one(self, claim: Claim) -> DocumentEnd:
        counts: dict[str, int] = {}
        faults: dict[str, Fault] = {}
        for handler in (self.text, self.image):
            try:
                outcome = await handler.handle(stage_work(claim, handler.stage))
                counts[handler.stage] = outcome.count or 0
            except DocumentFailed as exc:
                faults[handler.stage] = Fault(cause=exc.cause, reason=exc.message)
            except Superseded as exc:
                faults[handler.stage] = faults["join"] = Fault(cause=None, reason=exc.message)
        revision = 0
        if "join" not in faults:
            try:
                for generation in self.generations:
                    items = await self._join(claim, generation)
                    counts["join"], revision = len(items.items), items.revision
            except DocumentFailed as exc:
                faults["join"] = Fault(cause=exc.cause, reason=exc.message)
        document = claim.document
        return DocumentEnd(
            doc_id=document.doc_id, version=claim.version, counts=counts, faults=faults, revision=revision
        )

    async def _join(self, claim: Claim, generation: Generation) -> ItemSet:
        """The document's items in one generation, stored."""
        text = await self._half(claim, generation.space_id, "text")
        image = await self._half(claim, generation.space_id, "image")
        if text is None and image is None:
            raise DocumentFailed("no_content", "Neither text nor pictures could be read.")
        items = join(self.spaces.of(generation.space_id), text, image, generation.name)
        await self.store.put(item_key(generation.name, items.doc_id, items.version, items.revision), encode(items))
        return items

    async def _half(self, claim: Claim, space_id: str, name: str) -> Half | None:
        with contextlib.suppress(NotFound):
            key = half_key(space_id, claim.document.doc_id, claim.version, name)
            return decode(Half, await self.store.get(key))
        return None


def shards_of(ends: Sequence[DocumentEnd], n_shards: int) -> dict[int, list[DocumentEnd]]:
    """The indexed documents by their shard."""
    shards: dict[int, list[DocumentEnd]] = {}
    for end in ends:
        if end.is_indexed:
            shards.setdefault(shard_of(end.doc_id, n_shards), []).append(end)
    return shards
