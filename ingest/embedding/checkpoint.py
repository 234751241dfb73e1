"""What an embedder has made of a document that it cannot finish now, kept in the object store for who goes on.

A worker that is told to end (SIGTERM, as after a spot notice) lets documents end that can, and the others leave
their checkpoint: the next worker reads nothing again and computes no vector again but those that were under way.
Long documents leave one every now and then as well, for a worker that is killed without notice.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace

import msgspec

from contracts.errors import DependencyDown, NotFound, TriremeError
from contracts.keys import embedding_checkpoint_key
from ingest.embedding.counting import EmbeddingCounts
from ingest.extraction.types import Paragraph
from ingest.verdicts import PASSING
from ingest.work import Outcome, Work
from runtime.object_store import ObjectStore
from runtime.telemetry import get_logger

_log = get_logger(__name__)

_FORMAT = 1
# What was read is kept where reading it again would take longer than putting it away; pictures may be many.
_READ_LIMIT_BYTES = 64 * 1024**2


class Saved(msgspec.Struct, frozen=True, kw_only=True):
    """A checkpoint as it is stored (msgpack).

    Args:
        read: what was extracted from the file, as the stage encodes it.
        words: of a file whose reading was cut off, what OCR found on the pages that it was done with.
        made: vectors, and words of a captioner, by digest.
    """

    format: int
    read: bytes | None
    words: dict[int, tuple[Paragraph, ...]]
    made: dict[bytes, bytes]


@dataclass(slots=True)
class Progress:
    """How far one document has come at one stage.

    Args:
        read: what a former worker extracted from the file; None where that is not known.
        encode_read: what was extracted, as it is to be stored; None until it was. Called when it is stored, so
            that a document with many pictures is not held twice.
        words: what OCR has found on its pages, by page.
        made: what models have made of it, by digest.
        exists: whether there is a checkpoint in the store. saved: how much is in it.
    """

    key: str
    read: bytes | None = None
    encode_read: Callable[[], bytes] | None = None
    words: dict[int, tuple[Paragraph, ...]] = field(default_factory=dict)
    made: dict[bytes, bytes] = field(default_factory=dict)
    exists: bool = False
    saved: tuple[int, int, bool] = (0, 0, False)

    def extent(self) -> tuple[int, int, bool]:
        """How much there is to be saved."""
        return len(self.made), len(self.words), self.encode_read is not None


class Checkpoints:
    """The checkpoints of one stage.

    Args:
        every_s: a document in the making is saved this often.
    """

    def __init__(self, store: ObjectStore, counts: EmbeddingCounts, *, every_s: float) -> None:
        self._store = store
        self._counts = counts
        self._every_s = every_s

    @contextlib.asynccontextmanager
    async def of(self, work: Work) -> AsyncIterator[Progress]:
        """The progress of a document while its half is made, gone on from where it was left.

        It is saved now and then. When the block fails or is cancelled and the work will be tried again, it is
        saved as it is then; when it will not, the checkpoint is removed.

        Raises:
            DependencyDown: the store does not answer.
        """
        progress = await self._find(embedding_checkpoint_key(work.document.doc_id, work.version, work.stage))
        try:
            async with self._saving_now_and_then(progress):
                yield progress
        except TriremeError as exc:
            if isinstance(exc, PASSING):
                await self._save(progress)
            elif progress.exists:
                await self._remove(progress)
            raise
        except BaseException:
            await self._save(progress)
            raise

    def done(self, outcome: Outcome, progress: Progress) -> Outcome:
        """The outcome, with its checkpoint removed once the outcome is safe."""
        if not progress.exists:
            return outcome

        async def remove() -> None:
            if outcome.afterwards is not None:
                await outcome.afterwards()
            await self._remove(progress)

        return replace(outcome, afterwards=remove)

    @contextlib.asynccontextmanager
    async def _saving_now_and_then(self, progress: Progress) -> AsyncIterator[None]:
        end = asyncio.Event()

        async def save() -> None:
            while True:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(end.wait(), self._every_s)
                    return
                await self._save(progress)

        saving = asyncio.create_task(save())
        try:
            yield
        finally:
            # Not cancelled: what is being written shall not come to the store after it was removed there.
            end.set()
            await saving

    async def _find(self, key: str) -> Progress:
        progress = Progress(key)
        try:
            saved = msgspec.msgpack.decode(await self._store.get(key), type=Saved)
        except NotFound:
            return progress
        except msgspec.DecodeError:
            progress.exists = True
            _log.warning("checkpoint_unreadable", key=key)
            return progress
        progress.exists = True
        if saved.format == _FORMAT:
            progress.read, progress.words, progress.made = saved.read, saved.words, saved.made
            progress.saved = (len(saved.made), len(saved.words), saved.read is not None)
            self._counts.checkpoint("resumed")
            self._counts.rows("resumed", len(saved.made))
        return progress

    async def _save(self, progress: Progress) -> None:
        """Save what is news. Never raises: the document goes on without."""
        extent = progress.extent()
        if extent == progress.saved or extent == (0, 0, False):
            return
        copy = replace(progress, made=dict(progress.made), words=dict(progress.words))
        try:
            await self._store.put(progress.key, await asyncio.to_thread(_encode, copy))
        except DependencyDown as exc:
            _log.warning("checkpoint_not_written", key=progress.key, reason=exc.message)
            return
        progress.exists, progress.saved = True, extent
        self._counts.checkpoint("written")
        _log.info("checkpoint_written", key=progress.key, made=extent[0], pages=extent[1])

    async def _remove(self, progress: Progress) -> None:
        try:
            await self._store.delete(progress.key)
        except DependencyDown as exc:
            _log.warning("checkpoint_not_removed", key=progress.key, reason=exc.message)
            return
        self._counts.checkpoint("removed")


def _encode(progress: Progress) -> bytes:
    read = progress.encode_read() if progress.encode_read is not None else None
    if read is not None and len(read) > _READ_LIMIT_BYTES:
        read = None
    # Once the file was read as a whole, that says what its pages say.
    words = {} if read is not None else progress.words
    return msgspec.msgpack.encode(Saved(format=_FORMAT, read=read, words=words, made=progress.made))
