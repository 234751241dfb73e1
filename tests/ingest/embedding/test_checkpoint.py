"""Documents that were cut off: what the next worker still has to do, and what is left in the store."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from contracts.documents import FileAdded
from contracts.errors import DependencyDown, NotFound, Superseded
from contracts.keys import embedding_checkpoint_key
from contracts.space import TextRole
from contracts.trace import TraceContext
from ingest.cleanup import Cleaner
from ingest.embedding.checkpoint import Checkpoints, Saved
from ingest.embedding.counting import EmbeddingCounts
from ingest.embedding.shared_batches import Pace
from ingest.extraction.run import Extractor
from ingest.extraction.types import ExtractedPicture, ExtractedText, Paragraph, TextBlock
from ingest.image_handler import ImageHandler
from ingest.patience import Patience
from ingest.text_handler import TextHandler
from ingest.work import Outcome
from runtime.object_store import ObjectStore
from runtime.telemetry import Metrics
from tests.ingest.extraction.making import pdf, scan
from tests.ingest.harness import eventually
from tests.ingest.samples import VERSION
from tests.ingest.test_handlers import NamedVectors, Wanted, embedding, png, stored_half, uploaded, work

Half = Literal["text", "image"]
ROWS = 100


class Reader:
    """Takes out of any file the same long text and the same many pictures, and counts how often."""

    def __init__(self) -> None:
        self.texts = self.pictures = 0

    async def extract_text(
        self, data: bytes, content_type: str, *, words: dict[int, tuple[Paragraph, ...]]
    ) -> ExtractedText:
        self.texts += 1
        paragraphs = [f"Valve {i} {'is opened and cleaned and closed ' * 6}again." for i in range(ROWS)]
        blocks, text = [], ""
        for words in paragraphs:
            start = len(text)
            text += words + "\n\n"
            blocks.append(TextBlock(kind="paragraph", text=words, char_start=start, char_end=start + len(words)))
        return ExtractedText(text=text, blocks=tuple(blocks))

    async def extract_pictures(self, data: bytes, content_type: str) -> list[ExtractedPicture]:
        self.pictures += 1
        shades = [f"#{i:02x}{255 - i:02x}80" for i in range(ROWS)]
        return [
            ExtractedPicture(
                ordinal=i,
                page=i + 1,
                box=None,
                anchor=None,
                caption=None,
                width=400,
                height=300,
                data=png(shade),
                media_type="image/png",
                thumbnail=b"thumbnail",
            )
            for i, shade in enumerate(shades)
        ]


class Slow(NamedVectors):
    """An encoder that stops answering after some rows until it is let go on."""

    def __init__(self, *, stops_after: int | None = None, outages: int = 0) -> None:
        super().__init__(outages)
        self.answered: list[bytes] = []
        self.in_flight: list[bytes] = []
        self.stuck = asyncio.Event()
        self._stops_after = stops_after

    async def embed_texts(
        self,
        texts: Sequence[str],
        *,
        role: TextRole,
        priority: int,
        timeout_s: float,
        trace: TraceContext | None = None,
    ) -> NDArray[np.float32]:
        await self._maybe_stop([text.encode() for text in texts])
        return await super().embed_texts(texts, role=role, priority=priority, timeout_s=timeout_s, trace=trace)

    async def embed_pictures(
        self,
        pictures: Sequence[NDArray[np.uint8]],
        *,
        priority: int,
        timeout_s: float,
        trace: TraceContext | None = None,
    ) -> NDArray[np.float32]:
        await self._maybe_stop([picture.tobytes() for picture in pictures])
        return await super().embed_pictures(pictures, priority=priority, timeout_s=timeout_s, trace=trace)

    async def _maybe_stop(self, rows: list[bytes]) -> None:
        if self._stops_after is not None and len(self.answered) >= self._stops_after:
            self.in_flight += rows
            self.stuck.set()
            await asyncio.Event().wait()
        self.answered += rows


class FailsAfter(Slow):
    """An encoder that is gone after some rows."""

    def __init__(self, rows: int) -> None:
        super().__init__()
        self._left = rows

    async def _maybe_stop(self, rows: list[bytes]) -> None:
        if len(self.answered) >= self._left:
            raise DependencyDown("triton")
        self.answered += rows


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return ObjectStore.from_url(f"file://{tmp_path}/objects")


def handler(store: ObjectStore, half: Half, reader: Any, encoder: Slow) -> TextHandler | ImageHandler:
    """A worker's handler, with nothing of another's in memory."""
    kind = TextHandler if half == "text" else ImageHandler
    vectors, checkpoints = embedding(store, half, pace=Pace(rows=8, bulk_rows=8, calls=1))
    wanted: Wanted[Slow] = Wanted(encoder)
    return kind(store, reader, wanted, vectors, checkpoints, patience=Patience(budget_s=0), embed_timeout_s=5)


async def cut_off(store: ObjectStore, half: Half, document: FileAdded, reader: Reader, encoder: Slow) -> None:
    """Let a worker begin the document and be told to end while the model computes."""
    task = asyncio.ensure_future(handler(store, half, reader, encoder).handle(work(document, half)))
    await eventually(encoder.stuck.is_set)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def end(outcome: Outcome) -> None:
    if outcome.afterwards is not None:
        await outcome.afterwards()


async def checkpoints_in(store: ObjectStore) -> list[str]:
    return [meta.key async for meta in store.list("checkpoints/embedding/")]


@pytest.mark.parametrize("half", ["text", "image"])
async def test_a_document_cut_off_is_gone_on_with_and_only_the_call_in_flight_is_repeated(
    store: ObjectStore, half: Half
) -> None:
    document = await uploaded(store, "long.txt", b"any bytes")
    reader, before, after = Reader(), Slow(stops_after=40), Slow()
    await cut_off(store, half, document, reader, before)
    assert await checkpoints_in(store) == [embedding_checkpoint_key(document.doc_id, VERSION, half)]
    outcome = await handler(store, half, reader, after).handle(work(document, half))
    await end(outcome)
    assert reader.texts + reader.pictures == 1
    assert len(before.answered) == 40
    assert len(before.in_flight) == 8
    assert set(before.answered).isdisjoint(after.answered)
    assert set(before.in_flight) <= set(after.answered)
    assert outcome.count == len(set(before.answered) | set(after.answered)) >= ROWS // 2
    assert await checkpoints_in(store) == []


@pytest.mark.parametrize("half", ["text", "image"])
async def test_a_half_made_in_two_goes_equals_one_made_undisturbed(
    store: ObjectStore, half: Half, tmp_path: Path
) -> None:
    calm = ObjectStore.from_url(f"file://{tmp_path}/calm")
    document, same = [await uploaded(each, "long.txt", b"any bytes") for each in (store, calm)]
    await cut_off(store, half, document, Reader(), Slow(stops_after=40))
    await handler(store, half, Reader(), Slow()).handle(work(document, half))
    await handler(calm, half, Reader(), Slow()).handle(work(same, half))
    made, expected = await stored_half(store, document, half), await stored_half(calm, same, half)
    assert (made.chunks, made.pictures) == (expected.chunks, expected.pictures)


async def test_a_document_may_be_cut_off_again_and_again(store: ObjectStore) -> None:
    document = await uploaded(store, "long.txt", b"any bytes")
    encoders = [Slow(stops_after=16) for _ in range(4)]
    for encoder in encoders:
        await cut_off(store, "text", document, Reader(), encoder)
    last = Slow()
    outcome = await handler(store, "text", Reader(), last).handle(work(document))
    answered = [row for encoder in (*encoders, last) for row in encoder.answered]
    assert outcome.count == len(answered) == len(set(answered))


async def test_a_model_that_goes_away_leaves_what_it_had_done(store: ObjectStore) -> None:
    document = await uploaded(store, "long.txt", b"any bytes")
    reader, before, after = Reader(), FailsAfter(24), Slow()
    with pytest.raises(DependencyDown):
        await handler(store, "text", reader, before).handle(work(document))
    await handler(store, "text", reader, after).handle(work(document))
    assert reader.texts == 1
    assert len(before.answered) == 24
    assert set(before.answered).isdisjoint(after.answered)


async def test_a_short_document_leaves_no_checkpoint(store: ObjectStore) -> None:
    document = await uploaded(store, "long.txt", b"any bytes")
    outcome = await handler(store, "text", Reader(), Slow()).handle(work(document))
    assert outcome.afterwards is None
    assert await checkpoints_in(store) == []


async def test_a_checkpoint_of_a_file_that_was_replaced_is_removed(store: ObjectStore) -> None:
    document = await uploaded(store, "long.txt", b"any bytes")
    await cut_off(store, "text", document, Reader(), Slow(stops_after=16))
    await store.put(document.uri, b"other bytes")
    with pytest.raises(Superseded):
        await handler(store, "text", Reader(), Slow()).handle(work(document))
    assert await checkpoints_in(store) == []


async def test_a_damaged_checkpoint_is_as_good_as_none(store: ObjectStore) -> None:
    document = await uploaded(store, "long.txt", b"any bytes")
    await store.put(embedding_checkpoint_key(document.doc_id, VERSION, "text"), b"\x93not a checkpoint")
    reader = Reader()
    outcome = await handler(store, "text", reader, Slow()).handle(work(document))
    await end(outcome)
    assert reader.texts == 1
    assert await checkpoints_in(store) == []


async def test_a_long_document_is_saved_now_and_then_for_a_worker_that_is_killed(store: ObjectStore) -> None:
    document = await uploaded(store, "long.txt", b"any bytes")
    vectors, _ = embedding(store, "text", pace=Pace(rows=8, bulk_rows=8, calls=1))
    often = Checkpoints(store, EmbeddingCounts(Metrics(), "text"), every_s=0.01)
    before, after = Slow(stops_after=72), Slow()
    wanted: Wanted[Slow] = Wanted(before)
    first = TextHandler(store, Reader(), wanted, vectors, often, patience=Patience(budget_s=0), embed_timeout_s=5)
    task = asyncio.ensure_future(first.handle(work(document)))
    await eventually(before.stuck.is_set)
    key = embedding_checkpoint_key(document.doc_id, VERSION, "text")
    async with asyncio.timeout(20):
        while (left := await made_in(store, key)) < 72:  # noqa: ASYNC110 - it is written by another task
            await asyncio.sleep(0.01)
    # As after SIGKILL: what is in the store now is all there is.
    kept = await store.get(key)
    task.cancel()
    await asyncio.wait([task])
    await store.put(key, kept)
    await handler(store, "text", Reader(), after).handle(work(document))
    assert left == len(before.answered) == 72
    assert set(before.answered).isdisjoint(after.answered)


async def made_in(store: ObjectStore, key: str) -> int:
    """Vectors in a checkpoint, 0 while there is none."""
    try:
        return len(msgspec.msgpack.decode(await store.get(key), type=Saved).made)
    except NotFound:
        return 0


async def test_a_scan_whose_reading_is_cut_off_has_its_pages_read_once(store: ObjectStore) -> None:
    """The real reader: Tesseract is at the third page when the worker is told to end."""
    pages = ["The first page tells of pumps.", "The second page tells of valves.", "The third page is the last."]
    document = await uploaded(store, "scan.pdf", pdf(*(scan(words) for words in pages)))
    async with Extractor() as before, Extractor() as after:
        cut = CutOff(before, after_pages=2)
        task = asyncio.ensure_future(handler(store, "text", cut, Slow()).handle(work(document)))
        await eventually(cut.reached.is_set)
        task.cancel()
        await asyncio.wait([task])
        assert await checkpoints_in(store) != []
        seen = CutOff(after, after_pages=99)
        outcome = await handler(store, "text", seen, Slow()).handle(work(document))
    assert cut.begun_with == []
    assert seen.begun_with[:2] == [1, 2]
    half = await stored_half(store, document, "text")
    text = " ".join(chunk.text for chunk in half.chunks)
    assert outcome.count == len(half.chunks)
    assert [text.count(word) for word in ("pumps", "valves", "last")] == [1, 1, 1]


class CutOff:
    """A real reader that tells when OCR is done with some pages, and with which pages it was asked to begin."""

    def __init__(self, reader: Extractor, *, after_pages: int) -> None:
        self._reader = reader
        self._after_pages = after_pages
        self.begun_with: list[int] = []
        self.reached = asyncio.Event()

    async def extract_text(
        self, data: bytes, content_type: str, *, words: dict[int, tuple[Paragraph, ...]]
    ) -> ExtractedText:
        self.begun_with = sorted(words)
        reading = asyncio.ensure_future(self._reader.extract_text(data, content_type, words=words))
        try:
            while not reading.done() and len(words) < self._after_pages:  # noqa: ASYNC110 - another process reads
                await asyncio.sleep(0.001)
            if not reading.done():
                self.reached.set()
            return await reading
        finally:
            reading.cancel()


async def test_a_delete_takes_the_checkpoint_along(store: ObjectStore) -> None:
    document = await uploaded(store, "long.txt", b"any bytes")
    await cut_off(store, "text", document, Reader(), Slow(stops_after=16))
    await Cleaner(store).erase(document, VERSION + 1, generations=[], spaces=[])
    assert await checkpoints_in(store) == []
