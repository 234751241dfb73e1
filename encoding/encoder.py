"""The encoders of the joint space: words and pictures in, float32 unit vectors out."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from contracts.errors import ConfigurationError, InvalidInput
from contracts.joint import Vector
from contracts.space import Space, TextRole, named_in_space
from contracts.tensors import (
    CLIP_IMAGE,
    CLIP_IMAGE_DISTILLED,
    CLIP_TEXT,
    MODELS,
    PRIORITY_QUERY,
    TEXT_ENCODER,
)
from contracts.trace import TraceContext
from encoding.batches import Inference, Tensors, Vectors, batch_size, embed_batches, slices
from encoding.manifests import ImageManifest, load_space, read_manifest
from encoding.text_encoder import ServedTextEncoder, TextEncoder


class Encoder:
    """All towers of one space. Use it inside one event loop.

    Args:
        repository: the model repository, read for manifests, tokenizers and the space's description.
        text: the encoder of the text half where Triton does not serve it; `encoding.opening` knows which.
        space_id: a space that was put beside the repository's first one; None for that.

    Raises:
        ConfigurationError: models are not exported, or are not those that the space was made of.
    """

    def __init__(
        self,
        inference: Inference,
        repository: Path,
        text: TextEncoder | None = None,
        *,
        space_id: str | None = None,
    ) -> None:
        self._inference = inference
        self._names = {model: named_in_space(model, space_id) for model in MODELS}
        self.space: Space = load_space(repository, space_id)
        self._clip_text = ServedTextEncoder(inference, repository, CLIP_TEXT, served_as=self._names[CLIP_TEXT])
        self._image = read_manifest(repository, self._names[CLIP_IMAGE], ImageManifest)
        self._has_distilled = _is_admitted(repository / self._names[CLIP_IMAGE_DISTILLED], self.space, self._image)
        self._text = text if text is not None else self._served_text(repository)

    @property
    def shares_text_tower(self) -> bool:
        """Whether the CLIP text tower reads a question just as the text encoder does: one run then serves both."""
        text, clip_text = self._text, self._clip_text
        return (
            isinstance(text, ServedTextEncoder)
            and text.manifest.sha256 == clip_text.manifest.sha256
            and text.query_prefix == clip_text.query_prefix
        )

    @property
    def models(self) -> tuple[str, ...]:
        """The models on Triton without which this encoder cannot work."""
        needed = (CLIP_TEXT, CLIP_IMAGE) if self.space.text_by_api else (TEXT_ENCODER, CLIP_TEXT, CLIP_IMAGE)
        return tuple(self._names[model] for model in needed)

    @property
    def has_distilled(self) -> bool:
        """Whether a distilled picture tower is exported that this space admitted, for the same pictures."""
        return self._has_distilled

    @property
    def max_tokens(self) -> int:
        """Longest passage that the text encoder reads, by `token_count`."""
        return self._text.max_tokens

    def token_count(self, text: str) -> int:
        """Tokens of a passage as the text encoder reads it: with its prefix, without special tokens."""
        return self._text.token_count(text)

    def prepare_picture(self, image: Image.Image) -> NDArray[np.uint8]:
        """A decoded RGB picture as the image tower takes it, UINT8 [size, size, 3]."""
        return self._image.prepare(image)

    @property
    def image_size(self) -> int:
        """Edge of the image tower's input in pixels."""
        return self._image.image_size

    async def texts_at_once(self, *, timeout_s: float) -> int:
        """Most texts that go to the text encoder in one request. Errors as in `embed_texts`."""
        return await self._text.texts_at_once(timeout_s=timeout_s)

    async def pictures_at_once(self, *, timeout_s: float) -> int:
        """Most pictures that go to the image tower in one request. Errors as in `embed_texts`."""
        return await self._inference.largest_batch(self._names[CLIP_IMAGE], timeout_s=timeout_s)

    async def embed_texts(
        self,
        texts: Sequence[str],
        *,
        role: TextRole,
        priority: int,
        timeout_s: float,
        trace: TraceContext | None = None,
    ) -> Vectors:
        """Texts by the text encoder, float32 [n, text_dim].

        Args:
            role: whether the texts ask or are what is asked for; the encoder may read other words before each.

        Raises:
            PayloadTooLarge: a text is longer than the encoder reads; a passage of up to `max_tokens` is not.
            DependencyDown, Overloaded, DeadlineExceeded, DependencyFailed: the encoder gave no vectors.
        """
        return await self._text.embed(texts, role=role, priority=priority, timeout_s=timeout_s, trace=trace)

    async def embed_query_words(
        self, words: str, *, timeout_s: float, trace: TraceContext | None = None
    ) -> Vector:
        """A question's words by the CLIP text tower, float32 [image_dim]. Errors as in `embed_texts`.

        CLIP's own towers read 77 tokens: of a longer question the beginning counts here, as in CLIP's own
        processor, and all of it in the text half. A tower that serves both halves refuses what it cannot read.
        """
        clip_text = self._clip_text
        if self.shares_text_tower:
            sequences = clip_text.tokenise([words], "query")
        else:
            sequences = [clip_text.tokenise_beginning(words)]
        vectors = await clip_text.embed_tokens(
            sequences, priority=PRIORITY_QUERY, timeout_s=timeout_s, trace=trace
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

        def tensors(rows: Sequence[int]) -> Tensors:
            return {"image": np.stack([pictures[row] for row in rows])}

        model = self._names[CLIP_IMAGE_DISTILLED if distilled else CLIP_IMAGE]
        size = await batch_size(self._inference, model, len(pictures), timeout_s=timeout_s)
        return await embed_batches(
            self._inference,
            model,
            slices(len(pictures), size),
            tensors,
            self._image.dim,
            priority=priority,
            timeout_s=timeout_s,
            trace=trace,
        )

    def tokenise(self, model: str, texts: Sequence[str], role: TextRole) -> list[list[int]]:
        """Token ids of texts with special tokens, as a text tower on Triton reads them in this role.

        Args:
            model: `TEXT_ENCODER` or `CLIP_TEXT`.

        Raises:
            InvalidInput: no tower on Triton embeds these texts.
            PayloadTooLarge: a text is longer than the tower reads.
        """
        return self._served(model).tokenise(texts, role)

    async def embed_tokens(
        self,
        model: str,
        sequences: Sequence[Sequence[int]],
        *,
        priority: int,
        timeout_s: float,
        trace: TraceContext | None = None,
    ) -> Vectors:
        """Token ids with special tokens by a text tower on Triton, float32 [n, its width].

        Raises:
            InvalidInput, PayloadTooLarge: a sequence that the tower does not take, or there is no such tower.
            DependencyDown, Overloaded, DeadlineExceeded, DependencyFailed: the tower gave no vectors.
        """
        tower = self._served(model)
        return await tower.embed_tokens(sequences, priority=priority, timeout_s=timeout_s, trace=trace)

    def _served(self, model: str) -> ServedTextEncoder:
        tower = self._clip_text if model == CLIP_TEXT else self._text
        if not isinstance(tower, ServedTextEncoder):
            raise InvalidInput("An API embeds the texts of this space; it takes texts and no token ids.")
        return tower

    def _served_text(self, repository: Path) -> ServedTextEncoder:
        space = self.space
        if space.text_by_api:
            raise ConfigurationError(
                "The text half of this joint space comes from an embeddings API: set TRIREME_TEXT_API_URL."
            )
        served = ServedTextEncoder(
            self._inference,
            repository,
            TEXT_ENCODER,
            served_as=self._names[TEXT_ENCODER],
            query_prefix=space.query_prefix,
            passage_prefix=space.passage_prefix,
        )
        exported = (served.manifest.query_prefix, served.manifest.passage_prefix)
        if exported != (space.query_prefix, space.passage_prefix):
            raise ConfigurationError(
                f"The text encoder was exported with the prefixes {exported[0]!r} and {exported[1]!r}, the space "
                f"was described with {space.query_prefix!r} and {space.passage_prefix!r}: describe the space anew."
            )
        return served


def _is_admitted(folder: Path, space: Space, full: ImageManifest) -> bool:
    if not (folder / "manifest.json").is_file():
        return False
    small = read_manifest(folder.parent, folder.name, ImageManifest)
    admitted = small.admitted is not None and small.admitted.space_id == space.space_id
    return admitted and small.takes_the_same(full)
