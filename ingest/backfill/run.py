"""The backfill from start to end: rounds of looking for differences and making them good, in small batches."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol

import msgspec

from contracts.errors import BadMessage, NotFound
from ingest.backfill.checkpoint import is_paused, read_checkpoint, write_checkpoint
from ingest.backfill.differences import differences
from runtime.object_store import ObjectStore
from runtime.telemetry import get_logger

_log = get_logger(__name__)

BATCH = 64
IN_FLIGHT = 8
# Differences that are found later still are those of documents that the joint updater is publishing right now.
_ROUNDS_AFTER_SETTLING = 3


class Copier(Protocol):
    """Does the work on one document; `ingest.backfill.copying.ItemCopier` does."""

    async def copy(self, doc_id: str) -> bool:
        """Bring a document to the target; False when there was nothing to bring. Raises BadMessage."""
        ...

    async def remove(self, doc_id: str) -> bool:
        """Take a document out of the target; False when there was no need. Raises BadMessage, NotFound."""
        ...


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a backfill is.

    Args:
        documents: of the source, at the last look.
        left: of these, still to be copied.
        copied: in all runs so far.
        removed: taken out of the target again, in this run.
        refused: documents whose stored items cannot be used, with the reason.
    """

    documents: int = 0
    left: int = 0
    copied: int = 0
    removed: int = 0
    refused: dict[str, str] = field(default_factory=dict)
    finished: bool = False


OnProgress = Callable[[Progress], None]


class Backfill:
    """Makes a target generation hold what its source holds. One `run` at a time.

    Killed at any moment and run again, it goes on: what is done lies in the target, what was begun is in the
    checkpoint. Two that run at once do each other's work twice, and no harm.

    Args:
        settle_s: how long after the target's announcement the joint updater may still not publish to it; the last
            look for differences begins after that.
        clock: monotonic seconds. sleep: waits, and is given up when `stop` is set.
    """

    def __init__(
        self,
        store: ObjectStore,
        copier: Copier,
        *,
        source: str,
        target: str,
        settle_s: float,
        on_progress: OnProgress = lambda _: None,
        batch: int = BATCH,
        in_flight: int = IN_FLIGHT,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._store = store
        self._copier = copier
        self._source = source
        self._target = target
        self._settle_s = settle_s
        self._on_progress = on_progress
        self._batch = batch
        self._places = asyncio.Semaphore(in_flight)
        self._clock = clock
        self._sleep = sleep
        self._refused: dict[str, str] = {}
        self._progress = Progress()

    async def run(self, stop: asyncio.Event) -> Progress:
        """Fill the target; returns when it holds all, or, between two batches, soon after `stop` is set
        or somebody has paused it (`ingest.backfill.checkpoint.set_paused`).

        Raises:
            BadMessage: the checkpoint cannot be read.
            DependencyDown: the store does not answer; run it again.
        """
        checkpoint = await read_checkpoint(self._store, self._target, self._source)
        self._progress = Progress(copied=checkpoint.copied)
        pending, settled_at = checkpoint.pending, self._clock() + self._settle_s
        rounds_left = _ROUNDS_AFTER_SETTLING
        while rounds_left and not await self._stopped(stop):
            began, before = self._clock(), self._progress
            await self._round(pending, stop)
            pending = ()
            if await self._stopped(stop):
                break
            changed = (self._progress.copied, self._progress.removed) != (before.copied, before.removed)
            if began >= settled_at:
                rounds_left = rounds_left - 1 if changed else 0
            elif not changed:
                await self._sleep(min(1.0, max(0.0, settled_at - self._clock())))
        if not rounds_left:
            await self._remember((), finished=True)
            self._tell(finished=True, left=0)
        return self._progress

    async def _round(self, pending: Sequence[str], stop: asyncio.Event) -> None:
        """Find what differs and make it good, a batch at a time."""
        found = await differences(self._store, self._source, self._target)
        todo = [doc_id for doc_id in sorted({*pending, *found.missing}) if doc_id not in self._refused]
        self._tell(documents=found.n_documents, left=len(todo))
        work = iter(todo)
        while not await self._stopped(stop) and (batch := tuple(islice(work, self._batch))):
            await self._remember(batch)
            copied = sum(await asyncio.gather(*(self._one(self._copier.copy, doc_id) for doc_id in batch)))
            self._tell(copied=self._progress.copied + copied, left=self._progress.left - len(batch))
        surplus = iter(doc_id for doc_id in found.surplus if doc_id not in self._refused)
        while not await self._stopped(stop) and (batch := tuple(islice(surplus, self._batch))):
            removed = sum(await asyncio.gather(*(self._one(self._copier.remove, doc_id) for doc_id in batch)))
            self._tell(removed=self._progress.removed + removed)

    async def _stopped(self, stop: asyncio.Event) -> bool:
        return stop.is_set() or await is_paused(self._store, self._target)

    async def _one(self, work: Callable[[str], Awaitable[bool]], doc_id: str) -> bool:
        async with self._places:
            try:
                return await work(doc_id)
            except NotFound:
                return False  # Gone meanwhile: there is nothing to do.
            except BadMessage as exc:
                _log.error("document_not_backfilled", doc_id=doc_id, stage="backfill", reason=exc.message)
                self._refused[doc_id] = exc.message
                return False

    async def _remember(self, pending: tuple[str, ...], *, finished: bool = False) -> None:
        checkpoint = await read_checkpoint(self._store, self._target, self._source)
        await write_checkpoint(
            self._store,
            msgspec.structs.replace(checkpoint, copied=self._progress.copied, pending=pending, finished=finished),
        )

    def _tell(self, **changes: object) -> None:
        known = {name: getattr(self._progress, name) for name in Progress.__slots__}
        self._progress = Progress(**{**known, **changes, "refused": dict(self._refused)})
        self._on_progress(self._progress)
