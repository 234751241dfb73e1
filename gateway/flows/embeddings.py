"""Texts, tokens and pictures to vectors, for whoever wants the encoders themselves."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from contracts.errors import DeadlineExceeded, InvalidInput, NotFound, PayloadTooLarge
from contracts.space import Space
from contracts.tensors import CLIP_IMAGE, CLIP_IMAGE_DISTILLED, CLIP_TEXT, PRIORITY_UPLOAD, TEXT_ENCODER
from contracts.trace import TraceContext
from gateway.core.query import QueryPicture

TEXT_TOWERS = (TEXT_ENCODER, CLIP_TEXT)
PICTURE_TOWERS = (CLIP_IMAGE, CLIP_IMAGE_DISTILLED)

_WITHIN_S = 60.0
# Far more than any encoder reads; refused before the tokenizer spends time on it.
_MOST_CHARS = 50_000

Vectors = NDArray[np.float32]
Tokens = tuple[int, ...]


class Towers(Protocol):
    """The encoders; `encoding.encoder.Encoder` has them."""

    @property
    def space(self) -> Space:
        """The joint space, which knows how wide vectors are."""
        ...

    @property
    def has_distilled(self) -> bool:
        """Whether there is a distilled picture tower."""
        ...

    def tokenise(self, model: str, texts: Sequence[str]) -> list[list[int]]:
        """Token ids with special tokens. Raises PayloadTooLarge."""
        ...

    async def embed_tokens(
        self,
        model: str,
        sequences: Sequence[Sequence[int]],
        *,
        priority: int,
        timeout_s: float,
        trace: TraceContext | None = None,
    ) -> Vectors:
        """Float32 [n, width]."""
        ...

    async def embed_pictures(
        self,
        pictures: Sequence[NDArray[np.uint8]],
        *,
        priority: int,
        timeout_s: float,
        trace: TraceContext | None = None,
        distilled: bool = False,
    ) -> Vectors:
        """Float32 [n, width]."""
        ...


class Pictures(Protocol):
    """Decodes picture files; `gateway.flows.pictures.PictureReader` does."""

    async def read(self, data: bytes) -> QueryPicture:
        """A file as the picture tower takes it."""
        ...


@dataclass(frozen=True, slots=True)
class Embedded:
    """Vectors in the order of the inputs, float32 [n, width], and the tokens that were read for them."""

    vectors: Vectors
    tokens: int


class EmbeddingsFlow:
    """Embeds what a caller sends, behind everybody's searches."""

    def __init__(self, towers: Towers, pictures: Pictures) -> None:
        self._towers = towers
        self._reader = pictures

    def width(self, model: str) -> int:
        """Length of a model's vectors.

        Raises:
            NotFound: there is no such encoder.
        """
        known = model in TEXT_TOWERS or model == CLIP_IMAGE
        if not known and not (model == CLIP_IMAGE_DISTILLED and self._towers.has_distilled):
            raise NotFound("There is no encoder of that name.", param="model")
        return self._towers.space.text_dim if model == TEXT_ENCODER else self._towers.space.image_dim

    async def texts(self, model: str, texts: Sequence[str | Tokens], trace: TraceContext) -> Embedded:
        """Texts, or their token ids with special tokens, by a text tower.

        Raises:
            InvalidInput: a text without words, or ids that are not the model's tokens.
            PayloadTooLarge: a text is longer than the model reads.
            DependencyDown, DependencyFailed, Overloaded, DeadlineExceeded: the model does not answer.
        """
        async with _deadline():
            # In a thread: a batch of long texts takes the tokenizer a while.
            sequences = await asyncio.to_thread(self._sequences, model, texts)
            vectors = await self._towers.embed_tokens(
                model, sequences, priority=PRIORITY_UPLOAD, timeout_s=_WITHIN_S, trace=trace
            )
        return Embedded(vectors, sum(len(ids) for ids in sequences))

    async def pictures(self, model: str, files: Sequence[bytes], trace: TraceContext) -> Embedded:
        """Picture files by a picture tower; they have no tokens.

        Raises:
            InvalidInput, PayloadTooLarge, UnsupportedMedia: see `PictureReader.read`.
            DependencyDown, DependencyFailed, Overloaded, DeadlineExceeded: the model does not answer.
        """
        async with _deadline():
            # One after the other: a request takes one of the reader's few places, whatever its size.
            pixels = [(await self._reader.read(data)).pixels for data in files]
            vectors = await self._towers.embed_pictures(
                pixels,
                priority=PRIORITY_UPLOAD,
                timeout_s=_WITHIN_S,
                trace=trace,
                distilled=model == CLIP_IMAGE_DISTILLED,
            )
        return Embedded(vectors, 0)

    def _sequences(self, model: str, texts: Sequence[str | Tokens]) -> list[Sequence[int]]:
        sequences: list[Sequence[int]] = []
        for text in texts:
            if not isinstance(text, str):
                sequences.append(text)
                continue
            if not text.strip():
                raise InvalidInput("A text is empty.", param="input")
            if len(text) > _MOST_CHARS:
                raise PayloadTooLarge(
                    f"A text has {len(text):,} characters; at most {_MOST_CHARS:,} are looked at.", param="input"
                )
            sequences.append(self._towers.tokenise(model, [text])[0])
        return sequences


@asynccontextmanager
async def _deadline() -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(_WITHIN_S):
            yield
    except TimeoutError as exc:
        raise DeadlineExceeded("The vectors were not made in time; send fewer inputs at once.") from exc
