"""Texts, tokens and pictures to vectors, for whoever wants the encoders themselves."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from contracts.errors import DeadlineExceeded, InvalidInput, NotFound, PayloadTooLarge
from contracts.space import Space, TextRole
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

    def token_count(self, text: str) -> int:
        """Tokens of a text."""
        ...

    def tokenise(self, model: str, texts: Sequence[str], role: TextRole) -> list[list[int]]:
        """Token ids with special tokens, of a tower on Triton. Raises PayloadTooLarge."""
        ...

    async def embed_texts(
        self,
        texts: Sequence[str],
        *,
        role: TextRole,
        priority: int,
        timeout_s: float,
        trace: TraceContext | None = None,
    ) -> Vectors:
        """Float32 [n, text_dim], wherever the text encoder is."""
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

    async def texts(
        self, model: str, texts: Sequence[str | Tokens], role: TextRole, trace: TraceContext
    ) -> Embedded:
        """Texts, or their token ids with special tokens, by a text tower.

        Args:
            role: what the texts are; token ids have the words that belong to it before them already.

        Raises:
            InvalidInput: a text without words, or ids that are not the model's tokens.
            PayloadTooLarge: a text is longer than the model reads.
            DependencyDown, DependencyFailed, Overloaded, DeadlineExceeded: the model does not answer.
        """
        async with _deadline():
            # In a thread: a batch of long texts takes the tokenizer a while.
            if model == TEXT_ENCODER and self._towers.space.text_by_api:
                words, tokens = await asyncio.to_thread(self._words, texts)
                vectors = await self._towers.embed_texts(
                    words, role=role, priority=PRIORITY_UPLOAD, timeout_s=_WITHIN_S, trace=trace
                )
                return Embedded(vectors, tokens)
            sequences = await asyncio.to_thread(self._sequences, model, texts, role)
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

    def _sequences(self, model: str, texts: Sequence[str | Tokens], role: TextRole) -> list[Sequence[int]]:
        return [
            self._towers.tokenise(model, [_checked(text)], role)[0] if isinstance(text, str) else text
            for text in texts
        ]

    def _words(self, texts: Sequence[str | Tokens]) -> tuple[list[str], int]:
        """Texts for the API, and their tokens as near as they are known here."""
        words = [_checked(text) for text in texts if isinstance(text, str)]
        if len(words) < len(texts):
            raise InvalidInput(
                "An API embeds the texts of this space; it takes texts and no token ids.", param="input"
            )
        return words, sum(self._towers.token_count(text) for text in words)


def _checked(text: str) -> str:
    if not text.strip():
        raise InvalidInput("A text is empty.", param="input")
    if len(text) > _MOST_CHARS:
        raise PayloadTooLarge(
            f"A text has {len(text):,} characters; at most {_MOST_CHARS:,} are looked at.", param="input"
        )
    return text


@asynccontextmanager
async def _deadline() -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(_WITHIN_S):
            yield
    except TimeoutError as exc:
        raise DeadlineExceeded("The vectors were not made in time; send fewer inputs at once.") from exc
