"""Words of a machine for pictures that no text stands beside, where a captioner is served.

Which pictures those are is decided twice. Here, before the text is known, by what can be seen of the picture: it
has no caption, and no text comes before it. And in `ingest.joining`, which uses the words only where the document
turned out to have no text at all. A picture in which words can be read (OCR) is captioned in vain.
"""

import asyncio
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from contracts.errors import DependencyDown, DependencyFailed, DocumentFailed, InvalidInput, TriremeError
from contracts.halves import MachineCaption
from contracts.space import TextRole
from contracts.topics import RETRY_DELAYS_S
from contracts.trace import TraceContext
from encoding.pictures import decode_picture
from ingest.extraction.types import ExtractedPicture
from ingest.halves import vector_bytes
from ingest.patience import Patience
from ingest.verdicts import PASSING
from ingest.work import Work
from runtime.telemetry import get_logger

_log = get_logger(__name__)


class PictureCaptioner(Protocol):
    """Says what pictures show; `encoding.captioner.Captioner` does."""

    @property
    def name(self) -> str:
        """Which model it is."""
        ...

    @property
    def image_size(self) -> int:
        """Edge of the model's input in pixels."""
        ...

    def prepare_picture(self, image: Image.Image) -> NDArray[np.uint8]:
        """A picture as the model takes it."""
        ...

    async def caption(
        self, pictures: Sequence[NDArray[np.uint8]], *, timeout_s: float, trace: TraceContext | None = None
    ) -> list[str]:
        """Words for each picture; empty where there are none."""
        ...


class CaptionEncoder(Protocol):
    """Turns captions into vectors of the space's text half; `encoding.encoder.Encoder` does."""

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


class PictureCaptions:
    """Captions the pictures of a document that stand alone.

    A captioner that is away or fails is waited for as any dependency is, but it cannot hold a document back for
    long: at the second try (of one that is overloaded or slow, at the last) the pictures go without.

    Args:
        timeout_s: longest wait for one caption, and for the vectors of a group of them.
    """

    def __init__(self, captioner: PictureCaptioner, *, patience: Patience, timeout_s: float) -> None:
        self._captioner = captioner
        self._patience = patience
        self._timeout_s = timeout_s

    async def words(self, work: Work, pictures: Sequence[ExtractedPicture]) -> list[str]:
        """Words for each picture that stands alone and that the captioner finds words for, else "".

        Raises:
            DependencyDown, DependencyFailed, Overloaded, DeadlineExceeded: the captioner did not answer, and
                another try is worth it.
            DocumentFailed: a picture cannot be decoded.
        """
        words = [""] * len(pictures)
        alone = [row for row, picture in enumerate(pictures) if stands_alone(picture)]
        if alone:
            tensors = await asyncio.to_thread(lambda: [self._tensor(pictures[row]) for row in alone])
            for row, said in zip(alone, await self._words(work, tensors), strict=True):
                words[row] = said
        return words

    async def captions(
        self, work: Work, words: Sequence[str], encoder: CaptionEncoder
    ) -> list[MachineCaption | None]:
        """The words with their vectors in the encoder's space; None where there are no words.

        Raises:
            DependencyDown, DependencyFailed, Overloaded, DeadlineExceeded: the text encoder did not answer.
        """
        told = [(row, said) for row, said in enumerate(words) if said]
        vectors = await self._vectors(work, [said for _, said in told], encoder) if told else ()
        captions: list[MachineCaption | None] = [None] * len(words)
        for (row, said), vector in zip(told, vectors, strict=True):
            captions[row] = MachineCaption(words=said, by=self._captioner.name, vector=vector_bytes(vector))
        return captions

    async def _words(self, work: Work, tensors: Sequence[NDArray[np.uint8]]) -> Sequence[str]:
        try:
            return await self._patience(
                lambda: self._captioner.caption(tensors, timeout_s=self._timeout_s, trace=work.trace)
            )
        except PASSING as exc:
            if _is_worth_another_try(work, exc):
                raise
            _log.warning(
                "pictures_without_caption",
                doc_id=work.document.doc_id,
                version=work.version,
                pictures=len(tensors),
                reason=exc.message,
            )
            return [""] * len(tensors)

    async def _vectors(self, work: Work, words: Sequence[str], encoder: CaptionEncoder) -> NDArray[np.float32]:
        return await self._patience(
            lambda: encoder.embed_texts(
                words, role="passage", priority=work.priority, timeout_s=self._timeout_s, trace=work.trace
            )
        )

    def _tensor(self, picture: ExtractedPicture) -> NDArray[np.uint8]:
        try:
            image = decode_picture(picture.data, target_edge=self._captioner.image_size)
        except InvalidInput as exc:
            raise DocumentFailed("corrupt", exc.message) from exc
        return self._captioner.prepare_picture(image)


def stands_alone(picture: ExtractedPicture) -> bool:
    """Whether nothing is known to stand beside the picture: it has no caption, and no text comes before it.

    The first picture of a text that begins with it looks alike; joining sees the difference.
    """
    return picture.caption is None and not picture.anchor


def _is_worth_another_try(work: Work, error: TriremeError) -> bool:
    tries = 1 if isinstance(error, DependencyDown | DependencyFailed) else len(RETRY_DELAYS_S)
    return work.attempt < tries
