"""The encoders of the joint space, served by Triton: words and pictures in, float32 unit vectors out."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from contracts.joint import Vector
from contracts.space import Space
from contracts.tensors import (
    CLIP_IMAGE,
    CLIP_IMAGE_DISTILLED,
    CLIP_TEXT,
    EMBEDDING,
    MODELS,
    PRIORITY_QUERY,
    TEXT_ENCODER,
)
from contracts.trace import TraceContext
from encoding.manifests import ImageManifest, TextManifest, load_space, read_manifest
from encoding.text import TextTokens

Vectors = NDArray[np.float32]
Tensors = Mapping[str, NDArray[Any]]

# A server with two cores gains nothing from more; the rest wait here and not in Triton's bounded queue.
_BATCHES_IN_FLIGHT = 2


class Inference(Protocol):
    """Runs a model; `runtime.triton.TritonClient` does, and so may a test's fake."""

    async def infer(
        self,
        model: str,
        inputs: Tensors,
        outputs: Sequence[str],
        *,
        priority: int,
        timeout_s: float,
        trace: TraceContext | None = None,
    ) -> dict[str, Vectors]:
        """Outputs by name."""
        ...


class Encoder:
    """All towers of one space. Use it inside one event loop.

    Args:
        repository: the model repository, read for manifests, tokenizers and the space's description.
    """

    def __init__(self, inference: Inference, repository: Path) -> None:
        self._inference = inference
        self.space: Space = load_space(repository)
        self._text = read_manifest(repository, TEXT_ENCODER, TextManifest)
        self._clip_text = read_manifest(repository, CLIP_TEXT, TextManifest)
        self._image = read_manifest(repository, CLIP_IMAGE, ImageManifest)
        self._has_distilled = _is_admitted(repository, self.space, self._image)
        self._text_tokens = _tokens(repository, self._text)
        self._clip_tokens = _tokens(repository, self._clip_text)

    @property
    def shares_text_tower(self) -> bool:
        """Whether the CLIP text tower is the text encoder itself, so that one run serves both."""
        return self._text.sha256 == self._clip_text.sha256

    @property
    def has_distilled(self) -> bool:
        """Whether a distilled picture tower is exported that this space admitted, for the same pictures."""
        return self._has_distilled

    @property
    def max_tokens(self) -> int:
        """Longest text, in tokens without special ones, that the text encoder reads."""
        return self._text.max_length - 2

    def token_count(self, text: str) -> int:
        """Tokens of a text by the text encoder's tokenizer, without special ones."""
        return self._text_tokens.count(text)

    def prepare_picture(self, image: Image.Image) -> NDArray[np.uint8]:
        """A decoded RGB picture as the image tower takes it, UINT8 [size, size, 3]."""
        return self._image.prepare(image)

    @property
    def image_size(self) -> int:
        """Edge of the image tower's input in pixels."""
        return self._image.image_size

    async def embed_texts(
        self, texts: Sequence[str], *, priority: int, timeout_s: float, trace: TraceContext | None = None
    ) -> Vectors:
        """Texts by the text encoder, float32 [n, text_dim]. Batches hold texts of like length.

        Raises:
            PayloadTooLarge: a text is longer than `max_tokens`.
            DependencyDown, Overloaded, DeadlineExceeded, DependencyFailed: see `TritonClient.infer`.
        """
        sequences = self.tokenise(TEXT_ENCODER, texts)
        return await self.embed_tokens(
            TEXT_ENCODER, sequences, priority=priority, timeout_s=timeout_s, trace=trace
        )

    async def embed_query_words(
        self, words: str, *, timeout_s: float, trace: TraceContext | None = None
    ) -> Vector:
        """A question's words by the CLIP text tower, float32 [image_dim]. Errors as in `embed_texts`."""
        sequences = self.tokenise(CLIP_TEXT, [words])
        vectors = await self.embed_tokens(
            CLIP_TEXT, sequences, priority=PRIORITY_QUERY, timeout_s=timeout_s, trace=trace
        )
        row: Vector = vectors[0]
        return row

    async def embed_pictures(
        self,
        pictures: Sequence[NDArray[np.uint8]],
        *,
        priority: int,
        timeout_s: float,
        trace: TraceContext | None = None,
        distilled: bool = False,
    ) -> Vectors:
        """Prepared pictures by the CLIP image tower, float32 [n, image_dim]. Errors as in `embed_texts`.

        Args:
            distilled: by the distilled tower instead; only where `has_distilled`.
        """
        model = CLIP_IMAGE_DISTILLED if distilled else CLIP_IMAGE
        size = MODELS[CLIP_IMAGE].max_batch_size_cpu
        batches = [range(i, min(i + size, len(pictures))) for i in range(0, len(pictures), size)]

        def tensors(rows: Sequence[int]) -> Tensors:
            return {"image": np.stack([pictures[row] for row in rows])}

        return await self._run(
            model, batches, tensors, self._image.dim, priority=priority, timeout_s=timeout_s, trace=trace
        )

    def tokenise(self, model: str, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of texts with special tokens, as a text tower reads them.

        Args:
            model: `TEXT_ENCODER` or `CLIP_TEXT`.

        Raises:
            PayloadTooLarge: a text is longer than the tower reads.
        """
        return self._tokens_of(model).ids(texts)

    async def embed_tokens(
        self,
        model: str,
        sequences: Sequence[Sequence[int]],
        *,
        priority: int,
        timeout_s: float,
        trace: TraceContext | None = None,
    ) -> Vectors:
        """Token ids with special tokens by a text tower, float32 [n, its width]. Batches hold ones of like length.

        Raises:
            InvalidInput, PayloadTooLarge: a sequence that the tower does not take. Else as in `embed_texts`.
        """
        tokens = self._tokens_of(model)
        tokens.check(sequences)
        dim = self._clip_text.dim if model == CLIP_TEXT else self._text.dim
        batches = _batches(tokens, sequences, MODELS[model].max_batch_size_cpu)

        def tensors(rows: Sequence[int]) -> Tensors:
            return tokens.pad([sequences[row] for row in rows])

        return await self._run(model, batches, tensors, dim, priority=priority, timeout_s=timeout_s, trace=trace)

    def _tokens_of(self, model: str) -> TextTokens:
        return self._clip_tokens if model == CLIP_TEXT else self._text_tokens

    async def _run(
        self,
        model: str,
        batches: Sequence[Sequence[int]],
        tensors: Callable[[Sequence[int]], Tensors],
        dim: int,
        *,
        priority: int,
        timeout_s: float,
        trace: TraceContext | None,
    ) -> Vectors:
        """Run a model over batches of rows, a few at a time; rows keep their order."""
        out = np.zeros((sum(len(rows) for rows in batches), dim), dtype=np.float32)
        slots = asyncio.Semaphore(_BATCHES_IN_FLIGHT)

        async def run(rows: Sequence[int]) -> None:
            async with slots:
                result = await self._inference.infer(
                    model, tensors(rows), [EMBEDDING], priority=priority, timeout_s=timeout_s, trace=trace
                )
                out[list(rows)] = result[EMBEDDING]

        if len(batches) == 1:
            await run(batches[0])
            return out
        try:
            async with asyncio.TaskGroup() as tasks:
                for rows in batches:
                    tasks.create_task(run(rows))
        except ExceptionGroup as group:
            # The batches fail alike (server gone, queue full): callers get that one error, not a group.
            raise group.exceptions[0] from group
        return out


def _is_admitted(repository: Path, space: Space, full: ImageManifest) -> bool:
    if not (repository / CLIP_IMAGE_DISTILLED / "manifest.json").is_file():
        return False
    small = read_manifest(repository, CLIP_IMAGE_DISTILLED, ImageManifest)
    admitted = small.admitted is not None and small.admitted.space_id == space.space_id
    return admitted and small.takes_the_same(full)


def _batches(tokens: TextTokens, sequences: Sequence[Sequence[int]], size: int) -> list[list[int]]:
    """Rows grouped by bucket, at most `size` a batch, so that nothing is padded to a stranger's length."""
    by_bucket: dict[int, list[int]] = {}
    for row, ids in enumerate(sequences):
        by_bucket.setdefault(tokens.bucket(len(ids)), []).append(row)
    return [rows[i : i + size] for rows in by_bucket.values() for i in range(0, len(rows), size)]


def _tokens(repository: Path, manifest: TextManifest) -> TextTokens:
    path = repository / manifest.model / manifest.tokenizer
    return TextTokens(path, max_length=manifest.max_length, pad_token_id=manifest.pad_token_id)
