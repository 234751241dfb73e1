"""The text embedder's own work: a document's text becomes chunks, vectors and the text half."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from contracts.halves import Half, TextChunk
from contracts.space import Space, TextRole
from contracts.topics import Stage
from contracts.trace import TraceContext
from ingest.chunking import Chunk, chunk
from ingest.extraction.types import ExtractedText
from ingest.halves import deleted, fetch, store_half, vector_bytes
from ingest.patience import Patience
from ingest.work import Outcome, Work
from runtime.object_store import ObjectStore

# Chunks of 300-500 tokens, or of as much as the encoder reads, in the same proportion.
_MAX_TOKENS = 500
_MIN_SHARE = 0.6


class TextReader(Protocol):
    """Takes the text out of documents; `ingest.extraction.run.Extractor` does."""

    async def extract_text(self, data: bytes, content_type: str) -> ExtractedText:
        """Text with its blocks. Raises DocumentFailed."""
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


class TextHandler:
    """Handles `file_added` for the consumer group of the text embedder.

    Args:
        batch: chunks sent to the encoder before the next ones.
        embed_timeout_s: longest wait for the vectors of one batch.
    """

    stage: Stage = "text"
    announces = True

    def __init__(
        self,
        store: ObjectStore,
        reader: TextReader,
        encoder: TextEncoder,
        *,
        patience: Patience,
        batch: int,
        embed_timeout_s: float,
    ) -> None:
        self._store = store
        self._reader = reader
        self._encoder = encoder
        self._patience = patience
        self._batch = batch
        self._embed_timeout_s = embed_timeout_s
        self._max_tokens = min(_MAX_TOKENS, encoder.max_tokens)

    async def handle(self, work: Work) -> Outcome:
        """Make the text half of an added document; pass the news of a deleted one on."""
        document, space = work.document, self._encoder.space
        if document.event == "deleted":
            return Outcome((deleted(work, space.space_id),))
        data, content_type = await fetch(self._store, document, self._patience)
        text = await self._reader.extract_text(data, content_type)
        chunks = await asyncio.to_thread(
            chunk,
            text,
            self._encoder.token_count,
            min_tokens=int(self._max_tokens * _MIN_SHARE),
            max_tokens=self._max_tokens,
        )
        vectors = [
            await self._embed(work, chunks[i : i + self._batch]) for i in range(0, len(chunks), self._batch)
        ]
        rows = [row for batch in vectors for row in batch]
        half = Half(
            tenant=document.tenant,
            doc_id=document.doc_id,
            version=work.version,
            space_id=space.space_id,
            half="text",
            model=space.encoders["text"],
            document=document,
            chunks=tuple(_text_chunk(c, row) for c, row in zip(chunks, rows, strict=True)),
        )
        return await store_half(self._store, half, len(chunks), self._patience)

    async def _embed(self, work: Work, chunks: Sequence[Chunk]) -> NDArray[np.float32]:
        texts = [chunk.text for chunk in chunks]
        return await self._patience(
            lambda: self._encoder.embed_texts(
                texts,
                role="passage",
                priority=work.priority,
                timeout_s=self._embed_timeout_s,
                trace=work.trace,
            )
        )


def _text_chunk(chunk: Chunk, vector: NDArray[np.float32]) -> TextChunk:
    return TextChunk(
        ordinal=chunk.ordinal,
        text=chunk.text,
        page=chunk.page,
        box=chunk.box,
        char_start=chunk.char_start,
        char_end=chunk.char_end,
        heading=chunk.heading,
        vector=vector_bytes(vector),
    )
