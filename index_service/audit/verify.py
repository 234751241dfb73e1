"""Verifies one shard of one process against the object store and the log, while all three go on living.

The three are read one after another, so whatever was written meanwhile differs at first. What differs is read
again, until it agrees or stays as it is: only that is reported, and only where the shard has applied the update in
question.
"""

import asyncio
import time
from collections.abc import Callable, Collection

import msgspec

from client.index_door import IndexDoor
from contracts.index_door import DocumentHead
from index_service.audit.compare import Difference, compare
from index_service.audit.sources import LoggedHeads, Stored, stored_heads
from index_service.spec import ShardSpec
from runtime.object_store import ObjectStore

_PAUSE_S = 1.0
# A document is stored, then sent, then applied: in less than this, unless something is wrong.
_PATIENCE_S = 10.0

Told = Callable[[str], None]


class ShardReport(msgspec.Struct, frozen=True, kw_only=True):
    """What came of verifying a shard.

    Args:
        address: of the process that holds it.
        documents, tombstones: that the shard holds. stored, logged: documents that the store and the log name.
        next_offset, log_end: how far the shard was, and how far the log.
        not_applied_yet: documents that differ because the shard has not come to their update.
    """

    shard: int
    group: int
    address: str
    documents: int
    tombstones: int
    stored: int
    logged: int
    next_offset: int
    log_end: int
    not_applied_yet: int
    differences: list[Difference]


class Verification:
    """Verifies one shard.

    Args:
        logged: the shard's log as far as it was read; may be shared by the processes that hold the shard.
        contents: compare vectors and payloads too, not only versions.
        pause_s, patience_s: how long to wait between two looks at what differs, and how long in all.
    """

    def __init__(
        self,
        door: IndexDoor,
        spec: ShardSpec,
        group: int,
        store: ObjectStore,
        logged: LoggedHeads,
        *,
        contents: bool = True,
        pause_s: float = _PAUSE_S,
        patience_s: float = _PATIENCE_S,
    ) -> None:
        self._door = door
        self._spec = spec
        self._group = group
        self._store = store
        self._logged = logged
        self._contents = contents
        self._pause_s = pause_s
        self._patience_s = patience_s

    async def run(self, told: Told = lambda _: None) -> ShardReport:
        """Read and compare. `told` hears what is being done.

        Raises:
            DependencyDown: the process, the store or Kafka does not answer.
        """
        name = f"shard {self._spec.shard} of {self._door.address}"
        told(f"{name}: reading what is stored")
        stored = await self._read_stored(None)
        told(f"{name}: reading the log")
        log_end = await asyncio.to_thread(self._logged.read_on)
        told(f"{name}: reading the shard")
        held, next_offset = await asyncio.to_thread(self._read_held)
        differences = self._compare(held, stored, None)
        told(f"{name}: {len(held)} documents, {len(differences)} differ at first sight")
        waiting = 0
        if differences:
            differences, waiting = await self._until_settled(differences)
        tombstones = sum(head.op != "upsert" for head in held.values())
        return ShardReport(
            shard=self._spec.shard,
            group=self._group,
            address=self._door.address,
            documents=len(held) - tombstones,
            tombstones=tombstones,
            stored=len(stored.heads) + len(stored.unreadable),
            logged=len(self._logged.heads),
            next_offset=next_offset,
            log_end=log_end,
            not_applied_yet=waiting,
            differences=differences,
        )

    async def _until_settled(self, differences: list[Difference]) -> tuple[list[Difference], int]:
        """Look again at what differs until it stays as it is; what remains, and how many only wait for the log."""
        deadline = time.monotonic() + self._patience_s
        while True:
            await asyncio.sleep(self._pause_s)
            before, suspects = differences, sorted({one.doc_id for one in differences})
            stored = await self._read_stored(suspects)
            await asyncio.to_thread(self._logged.read_on)
            held, place = await asyncio.to_thread(self._door.heads_of, self._spec.shard, suspects)
            found = self._compare(held, stored, suspects)
            differences = [one for one in found if self._logged.offsets.get(one.doc_id, -1) < place]
            waiting = len({one.doc_id for one in found} - {one.doc_id for one in differences})
            if time.monotonic() > deadline or (differences == before and not waiting):
                return differences, waiting
            if not found:
                return [], 0
            differences = found

    def _compare(
        self, held: dict[str, DocumentHead], stored: Stored, only: Collection[str] | None
    ) -> list[Difference]:
        logged = self._logged.heads
        if only is not None:
            logged = {doc_id: logged[doc_id] for doc_id in only if doc_id in logged}
        return compare(
            self._spec.shard, self._spec.n_shards, held, stored.heads, logged, frozenset(stored.unreadable)
        )

    async def _read_stored(self, doc_ids: Collection[str] | None) -> Stored:
        return await stored_heads(self._spec, self._store, doc_ids=doc_ids, contents=self._contents)

    def _read_held(self) -> tuple[dict[str, DocumentHead], int]:
        """All heads of the shard, and the first record that the earliest page may not show."""
        held: dict[str, DocumentHead] = {}
        places = []
        for page in self._door.heads(self._spec.shard):
            held |= {head.doc_id: head for head in page.heads}
            places.append(page.next_offset)
        return held, min(places, default=0)
