"""The text embedder's own work: a document's text becomes chunks, vectors and the text half."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from contracts.documents import FileAdded
from contracts.halves import Half, TextChunk
from contracts.space import Space, TextRole
from contracts.topics import Stage
from contracts.trace import TraceContext
from ingest.chunking import Chunk, chunk
from ingest.embedding.checkpoint import Checkpoints, Progress
from ingest.embedding.digests import digest
from ingest.embedding.row_vectors import RowVectors
from ingest.embedding.spaces import SpaceVectors
from ingest.extraction.types import ExtractedText, Paragraph
from ingest.halves import deleted, fetch, in_every_space, store_half
from ingest.patience import Patience
from ingest.work import Outcome, Work
from runtime.object_store import ObjectStore

# Chunks whose vectors are asked for together: what fills a call, and what one document may have waiting.
_GROUP = 64
# Chunks of 300-500 tokens, or of as much as the encoder reads, in the same proportion.
MAX_TOKENS = 500
MIN_SHARE = 0.6


class TextReader(Protocol):
    """Takes the text out of documents; `ingest.extraction.run.Extractor` does."""

    async def extract_text(
        self, data: bytes, content_type: str, *, words: dict[int, tuple[Paragraph, ...]]
    ) -> ExtractedText:
        """Text with its blocks. What OCR found on pages is taken from `words`, and put there.

        Raises:
            DocumentFailed: it cannot be read.
        """
        ...


class TextEncoder(Protocol):
    """Turns texts into vectors; `encoding.encoder.Encoder` does."""

    @property
    def space(self) -> Space:
        """The space that the vectors belong to."""
        ...

    @property
    def max_tokens(self) -> int:
        """Longest passage that is read."""
        ...

    def token_count(self, text: str) -> int:
        """Tokens of a passage, with what the encoder reads before it."""
        ...

    async def texts_at_once(self, *, timeout_s: float) -> int:
        """Most texts that one request takes."""
        ...

    async def embed_texts(
        self,
        texts: Sequence[str],
        *,
        role: TextRole,
        priority: int,
        timeout_s: float,
        trace: TraceContext | None = None,
    ) -> NDArray[np.float32]:
        """Float32 [n, text_dim]."""
        ...


class TextEncoders(Protocol):
    """Knows the spaces that take documents; `ingest.live_encoders.LiveEncoders` does."""

    async def wanted(self, document: FileAdded) -> Sequence[TextEncoder]:
        """Encoders of the spaces that this document belongs in, that of the serving index first."""
        ...


class TextHandler:
    """Handles `file_added` for the consumer group of the text embedder.

    Args:
        embed_timeout_s: longest wait for the vectors of one call.
        bulk_reader: reads backfills' documents, which thereby hold up nobody's upload; `reader` where not given.
    """

    stage: Stage = "text"
    announces = True

    def __init__(
        self,
        store: ObjectStore,
        reader: TextReader,
        encoders: TextEncoders,
        vectors: SpaceVectors[str, str],
        checkpoints: Checkpoints,
        *,
        patience: Patience,
        embed_timeout_s: float,
        bulk_reader: TextReader | None = None,
    ) -> None:
        self._store = store
        self._reader = reader
        self._bulk_reader = bulk_reader or reader
        self._encoders = encoders
        self._vectors = vectors
        self._checkpoints = checkpoints
        self._patience = patience
        self._embed_timeout_s = embed_timeout_s

    async def handle(self, work: Work) -> Outcome:
        """Make the text half of an added document, in every live space; pass the news of a deleted one on."""
        document = work.document
        if document.event == "deleted":
            [encoder, *_] = await self._encoders.wanted(document)
            return Outcome((deleted(work, encoder.space.space_id),))
        async with self._checkpoints.of(work) as progress:
            text = await self._read(work, progress)
            # Asked after the reading, which may take minutes: a space that came meanwhile is not left out.
            encoders = await self._encoders.wanted(document)
            outcome = await in_every_space(
                document, encoders, lambda encoder, event: self._half(work, event, text, encoder, progress)
            )
        return self._checkpoints.done(outcome, progress)

    async def _read(self, work: Work, progress: Progress) -> ExtractedText:
        data, content_type = await fetch(self._store, work.document, self._patience)
        if progress.read is not None:
            text = msgspec.msgpack.decode(progress.read, type=ExtractedText)
        else:
            reader = self._bulk_reader if work.is_bulk else self._reader
            text = await reader.extract_text(data, content_type, words=progress.words)
        progress.encode_read = lambda: msgspec.msgpack.encode(text)
        return text

    async def _half(
        self, work: Work, event: FileAdded, text: ExtractedText, encoder: TextEncoder, progress: Progress
    ) -> Outcome:
        space, max_tokens = encoder.space, min(MAX_TOKENS, encoder.max_tokens)
        chunks = await asyncio.to_thread(
            chunk, text, encoder.token_count, min_tokens=int(max_tokens * MIN_SHARE), max_tokens=max_tokens
        )
        names = [digest(event.tenant, space.space_id, "text", chunk.text.encode()) for chunk in chunks]
        vectors = await self._patience(lambda: self._vectors_of(encoder))
        for start in range(0, len(chunks), _GROUP):
            part = slice(start, start + _GROUP)
            rows = {name: chunk.text for name, chunk in zip(names[part], chunks[part], strict=True)}
            await self._patience(
                lambda: vectors.add(progress.made, rows, priority=work.priority, trace=work.trace)  # noqa: B023
            )
        half = Half(
            tenant=event.tenant,
            doc_id=event.doc_id,
            version=work.version,
            space_id=space.space_id,
            half="text",
            model=space.encoders["text"],
            document=event,
            chunks=tuple(text_chunk(c, progress.made[name]) for c, name in zip(chunks, names, strict=True)),
        )
        return await store_half(self._store, half, len(chunks), self._patience)

    async def _vectors_of(self, encoder: TextEncoder) -> RowVectors[str, str]:
        async def compute(texts: Sequence[str], priority: int, trace: TraceContext) -> NDArray[np.float32]:
            return await encoder.embed_texts(
                texts, role="passage", priority=priority, timeout_s=self._embed_timeout_s, trace=trace
            )

        async def at_once() -> int:
            return await encoder.texts_at_once(timeout_s=self._embed_timeout_s)

        return await self._vectors.of(encoder.space.space_id, at_once, str, compute)


def text_chunk(chunk: Chunk, vector: bytes) -> TextChunk:
    """A chunk as the text half holds it."""
    return TextChunk(
        ordinal=chunk.ordinal,
        text=chunk.text,
        page=chunk.page,
        box=chunk.box,
        char_start=chunk.char_start,
        char_end=chunk.char_end,
        heading=chunk.heading,
        vector=vector,
    )
