"""The text encoder that an embeddings API serves: prefixes, lengths, and whether it is still the space's model."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from contracts.errors import ConfigurationError, DependencyDown, DependencyFailed
from contracts.space import Space, TextRole
from contracts.trace import TraceContext
from encoding.batches import Vectors
from encoding.embeddings_api import EmbeddingsApi
from encoding.manifests import TextApiManifest
from encoding.text import TextTokens

_BYTES_A_TOKEN = 2
_SAME_MODEL = 0.99
"""Smallest cosine to the recorded vector of the probe: what the gates of exports allow a quantised model."""


class ApiTextEncoder:
    """A `TextEncoder`. Use it inside one event loop.

    With the first texts, and with the next ones after a failure, a probe goes along whose vector was recorded when
    the space was made: a server that answers with another model under the same name is found out.

    Args:
        folder: where the manifest lies; its tokenizer is relative to it.

    Raises:
        ConfigurationError: the space was made with another model, other prefixes or another width.
    """

    def __init__(self, api: EmbeddingsApi, manifest: TextApiManifest, folder: Path, space: Space) -> None:
        _require_the_spaces(manifest, space)
        self._api = api
        self._manifest = manifest
        self._prefixes: dict[TextRole, str] = {"query": space.query_prefix, "passage": space.passage_prefix}
        self._tokens = _tokens(manifest, folder)
        self._proven = False

    @property
    def max_tokens(self) -> int:
        """See `TextEncoder`."""
        return self._tokens.max_tokens if self._tokens else self._manifest.max_length

    def token_count(self, text: str) -> int:
        """See `TextEncoder`. Without a tokenizer, a token for every two bytes of UTF-8.

        English has four to five bytes a token, other languages three or more; only long numbers and codes come
        near to two. Chunks are then shorter than they need be, but hardly ever too long.
        """
        whole = self._prefixes["passage"] + text
        return self._tokens.count(whole) if self._tokens else -(-len(whole.encode()) // _BYTES_A_TOKEN)

    async def embed(
        self,
        texts: Sequence[str],
        *,
        role: TextRole,
        priority: int,  # noqa: ARG002 - the protocol has none
        timeout_s: float,
        trace: TraceContext | None = None,  # noqa: ARG002 - somebody else's server is told nothing of ours
    ) -> Vectors:
        """See `TextEncoder`.

        Raises:
            ConfigurationError: the server's vectors are not those of the space.
            and as `TextEncoder`.
        """
        if not texts:
            return np.zeros((0, self._manifest.dim), dtype=np.float32)
        whole = [self._prefixes[role] + text for text in texts]
        self._refuse_too_long(whole)
        probe = () if self._proven else (self._manifest.probe_text,)
        try:
            vectors = await self._api.embed([*probe, *whole], timeout_s=timeout_s)
        except (DependencyDown, DependencyFailed):
            # Whoever answers next may be another server.
            self._proven = False
            raise
        self._require_width(vectors)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        if probe:
            self._prove(vectors[0])
        return vectors[len(probe) :]

    async def check(self, timeout_s: float) -> None:
        """Ask for the probe alone; errors as in `embed`."""
        await self.embed(["a"], role="passage", priority=0, timeout_s=timeout_s)

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()

    def _prove(self, vector: Vectors) -> None:
        cosine = float(vector @ np.asarray(self._manifest.probe_vector, dtype=np.float32))
        if not cosine >= _SAME_MODEL:
            raise ConfigurationError(
                f"The embeddings API answers with another model than the joint space was made with (cosine "
                f"{cosine:.3f} to the recorded vector): another model is another space."
            )
        self._proven = True

    def _require_width(self, vectors: Vectors) -> None:
        width, dim = vectors.shape[1], self._manifest.dim
        if width != dim:
            raise ConfigurationError(
                f"The embeddings API gives vectors of {width} numbers, but the space's text half has {dim}."
            )

    def _refuse_too_long(self, texts: Sequence[str]) -> None:
        """Where lengths are known and not guessed; else the server decides."""
        if self._tokens is not None:
            self._tokens.ids(texts)


def _require_the_spaces(manifest: TextApiManifest, space: Space) -> None:
    wanted = (space.encoders["text"], space.text_dim, space.query_prefix, space.passage_prefix)
    found = (manifest.identity, manifest.dim, manifest.query_prefix, manifest.passage_prefix)
    if found != wanted:
        raise ConfigurationError(
            f"The joint space was made with the text encoder '{wanted[0]}' of width {wanted[1]}, but the model "
            f"repository describes '{found[0]}' of width {found[1]}, or other prefixes: describe the space anew."
        )


def _tokens(manifest: TextApiManifest, folder: Path) -> TextTokens | None:
    if manifest.tokenizer is None:
        return None
    return TextTokens(folder / manifest.tokenizer, max_length=manifest.max_length, pad_token_id=0)
