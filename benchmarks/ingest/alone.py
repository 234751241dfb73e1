"""Every stage by itself, one after the other, with the classes that the workers use and the stack's own Triton.

What a worker does beside these (Kafka, commits, status, waiting for one another) is what the whole costs more.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from benchmarks.ingest.corpus import Source
from contracts.codec import decode, encode
from contracts.documents import FileAdded, file_added
from contracts.halves import Half
from contracts.items import ItemSet, upsert
from contracts.keys import half_key, item_key, object_key, picture_key, thumbnail_key
from contracts.tensors import PRIORITY_BULK
from encoding.encoder import Encoder
from index_service.shard import Shard
from index_service.spec import shard_spec
from ingest.chunking import Chunk, chunk
from ingest.extraction.run import Extractor
from ingest.extraction.sniff import sniff
from ingest.extraction.types import ExtractedPicture, ExtractedText
from ingest.image_handler import picture_of, tensor_of
from ingest.joining import join
from ingest.text_handler import MAX_TOKENS, MIN_SHARE, text_chunk
from ingest.work import Work
from runtime.object_store import ObjectStore
from runtime.telemetry import new_trace
from runtime.triton import TritonClient
from stack.options import DEFAULT_MODELS

T = TypeVar("T")

_GENERATION = "alone"
_AT_ONCE = 8
_TIMEOUT_S = 120.0
_VERSION = 2**40


@dataclass(slots=True)
class _Made:
    """What the stages have made of one document so far."""

    source: Source
    event: FileAdded
    kind: str = ""
    text: ExtractedText | None = None
    pictures: list[ExtractedPicture] = field(default_factory=list)
    chunks: list[Chunk] = field(default_factory=list)
    text_vectors: list[bytes] = field(default_factory=list)
    picture_vectors: list[bytes] = field(default_factory=list)
    items: ItemSet | None = None


class Alone:
    """The stages over one set of documents. Call them in the order of `stages()`."""

    def __init__(self, store: ObjectStore, reader: Extractor, encoder: Encoder) -> None:
        self._store = store
        self._reader = reader
        self._encoder = encoder
        self._made: list[_Made] = []

    async def prepare(self, sources: Sequence[Source]) -> None:
        """Put the files where the stages find them; not a stage."""
        for source in sources:
            uri = object_key("bench", "alone", source.name)
            event = file_added(
                source.name,
                uri=uri,
                etag=await self._store.put(uri, source.data),
                content_type=source.content_type,
                size_bytes=len(source.data),
                at_ms=1,
                tenant="bench",
                collection="alone",
            )
            self._made.append(_Made(source, event))

    def stages(self) -> dict[str, Callable[[], Awaitable[None]]]:
        """The stages by name, in order."""
        return {
            "read text (OCR of pictures)": self._read_text,
            "cut into chunks": self._cut,
            "embed chunks": self._embed_chunks,
            "read pictures": self._read_pictures,
            "embed pictures": self._embed_pictures,
            "store halves and pictures": self._store_halves,
            "join and store items": self._join,
            "apply to the index": self._apply,
        }

    async def _read_text(self) -> None:
        for made in self._made:
            data = await self._store.get(made.event.uri, if_match=made.event.etag)
            made.kind = await asyncio.to_thread(sniff, data, made.event.source_key)
            made.text = await self._reader.extract_text(data, made.kind)

    async def _cut(self) -> None:
        most = min(MAX_TOKENS, self._encoder.max_tokens)
        for made in self._made:
            assert made.text is not None
            made.chunks = chunk(
                made.text, self._encoder.token_count, min_tokens=int(most * MIN_SHARE), max_tokens=most
            )

    async def _embed_chunks(self) -> None:
        rows = [(made, each.text) for made in self._made for each in made.chunks]
        for start in range(0, len(rows), 64):
            part = rows[start : start + 64]
            vectors = await self._encoder.embed_texts(
                [text for _, text in part], role="passage", priority=PRIORITY_BULK, timeout_s=_TIMEOUT_S
            )
            for (made, _), vector in zip(part, vectors, strict=True):
                made.text_vectors.append(vector.astype("<f4").tobytes())

    async def _read_pictures(self) -> None:
        for made in self._made:
            data = await self._store.get(made.event.uri, if_match=made.event.etag)
            made.pictures = await self._reader.extract_pictures(data, made.kind)

    async def _embed_pictures(self) -> None:
        rows = [(made, picture) for made in self._made for picture in made.pictures]
        for start in range(0, len(rows), 64):
            part = rows[start : start + 64]
            tensors = await asyncio.to_thread(
                lambda: [tensor_of(picture, self._encoder) for _, picture in part]  # noqa: B023
            )
            vectors = await self._encoder.embed_pictures(tensors, priority=PRIORITY_BULK, timeout_s=_TIMEOUT_S)
            for (made, _), vector in zip(part, vectors, strict=True):
                made.picture_vectors.append(vector.astype("<f4").tobytes())

    async def _store_halves(self) -> None:
        async def one(made: _Made) -> None:
            doc_id, space_id = made.event.doc_id, self._encoder.space.space_id
            for name, half in zip(("text", "image"), self._halves(made), strict=True):
                await self._store.put(half_key(space_id, doc_id, _VERSION, name), encode(half))
            for picture in made.pictures:
                await self._store.put(picture_key(doc_id, _VERSION, picture.ordinal), picture.data)
                await self._store.put(thumbnail_key(doc_id, _VERSION, picture.ordinal), picture.thumbnail)

        await _side_by_side([one(made) for made in self._made])

    async def _join(self) -> None:
        async def one(made: _Made) -> None:
            doc_id, space = made.event.doc_id, self._encoder.space
            text, image = [
                decode(Half, await self._store.get(half_key(space.space_id, doc_id, _VERSION, name)))
                for name in ("text", "image")
            ]
            made.items = join(space, text, image, _GENERATION)
            await self._store.put(item_key(_GENERATION, doc_id, _VERSION, 1), encode(made.items))

        await _side_by_side([one(made) for made in self._made])

    async def _apply(self) -> None:
        shard = Shard(shard_spec(self._encoder.space, _GENERATION, 0, 1))
        for made in self._made:
            assert made.items is not None
            key = item_key(_GENERATION, made.event.doc_id, _VERSION, 1)
            update = upsert(made.items, key)
            shard.apply(update, decode(ItemSet, encode(made.items)))

    def _halves(self, made: _Made) -> tuple[Half, Half]:
        work = Work("image", made.event, None, _VERSION, 0, False, False, "", b"", new_trace())
        chunks = tuple(text_chunk(c, v) for c, v in zip(made.chunks, made.text_vectors, strict=True))
        pictures = tuple(
            picture_of(work, p, v, None) for p, v in zip(made.pictures, made.picture_vectors, strict=True)
        )
        space = self._encoder.space
        whose: dict[str, Any] = {
            "tenant": made.event.tenant,
            "doc_id": made.event.doc_id,
            "version": _VERSION,
            "space_id": space.space_id,
            "document": made.event,
        }
        return (
            Half(**whose, half="text", model=space.encoders["text"], chunks=chunks),
            Half(**whose, half="image", model=space.encoders["clip_image"], pictures=pictures),
        )


async def stages_alone(triton_url: str, folder: str, sources: Sequence[Source]) -> dict[str, float]:
    """Seconds that each stage takes for all documents, by name."""
    async with _alone(triton_url, folder) as alone:
        await alone.prepare(sources)
        seconds = {}
        for name, stage in alone.stages().items():
            began = time.perf_counter()
            await stage()
            seconds[name] = time.perf_counter() - began
        return seconds


@asynccontextmanager
async def _alone(triton_url: str, folder: str) -> AsyncIterator[Alone]:
    triton = TritonClient(triton_url)
    try:
        with tempfile.TemporaryDirectory(prefix="alone-", dir=folder) as objects:
            async with Extractor() as reader:
                store = ObjectStore.from_url(f"file://{objects}")
                yield Alone(store, reader, Encoder(triton, DEFAULT_MODELS))
    finally:
        await triton.close()


async def _side_by_side(work: Sequence[Coroutine[Any, Any, None]]) -> None:
    slots = asyncio.Semaphore(_AT_ONCE)

    async def one(each: Coroutine[Any, Any, None]) -> None:
        async with slots:
            await each

    await asyncio.gather(*(one(each) for each in work))
