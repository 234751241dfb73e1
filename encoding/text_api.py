"""The text encoder that an embeddings API serves: prefixes, lengths, and whether it is still the space's model."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from contracts.errors import ConfigurationError, DependencyDown, DependencyFailed
from contracts.space import Space, TextRole
from contracts.trace import TraceContext
from encoding.batches import Vectors
from encoding.embeddings_api import NAME, EmbeddingsApi
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

    async def texts_at_once(self, *, timeout_s: float) -> int:  # noqa: ARG002 - it is set, nobody is asked
        """See `TextEncoder`."""
        return self._api.model.batch

    async def embed(
        self,
        texts: Sequence[str],
        *,
        role: TextRole,
        priority: int,  # noqa: ARG002 - the protocol has none
        timeout_s: float,
        trace: TraceContext | None = None,  # noqa: ARG002 - somebody else's server is told nothing of ours
    ) -> Vectors:
        """See `TextEncoder`. Vectors that are not of the space's model are a `DependencyFailed` as well."""
        if not texts:
            return np.zeros((0, self._manifest.dim), dtype=np.float32)
        whole = [self._prefixes[role] + text for text in texts]
        if self._tokens is not None:
            self._tokens.ids(whole)  # Refuses what is too long; where lengths are guessed, the server decides.
        probe = () if self._proven else (self._manifest.probe_text,)
        try:
            vectors = await self._api.embed([*probe, *whole], timeout_s=timeout_s)
            self._require_the_spaces_model(vectors, proves=bool(probe))
        except (DependencyDown, DependencyFailed):
            # Whoever answers next may be another server.
            self._proven = False
            raise
        # Only by a probe: a call without one may outlast another's failure.
        self._proven = self._proven or bool(probe)
        rows = vectors[len(probe) :]
        unit: Vectors = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return unit

    async def check(self, timeout_s: float) -> None:
        """Ask for the probe alone, before the work begins.

        Raises:
            ConfigurationError: the server's vectors are not those of the space.
            DependencyDown, Overloaded, DeadlineExceeded, DependencyFailed: it gave none.
        """
        vectors = await self._api.embed([self._manifest.probe_text], timeout_s=timeout_s)
        try:
            self._require_the_spaces_model(vectors, proves=True)
        except DependencyFailed as exc:
            raise ConfigurationError(exc.message) from exc
        self._proven = True

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()

    def _require_the_spaces_model(self, vectors: Vectors, *, proves: bool) -> None:
        """Compare the width, and the probe's vector where it is the first one."""
        width, dim = vectors.shape[1], self._manifest.dim
        if width != dim:
            raise DependencyFailed(
                NAME, f"The embeddings API gives vectors of {width} numbers, but the space's text half has {dim}."
            )
        if not proves:
            return
        cosine = float(vectors[0] @ np.asarray(self._manifest.probe_vector)) / float(np.linalg.norm(vectors[0]))
        if not cosine >= _SAME_MODEL:
            raise DependencyFailed(
                NAME,
                "The embeddings API answers with another model than the joint space was made with (cosine "
                f"{cosine:.3f} to the recorded vector): another model is another space.",
            )


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
