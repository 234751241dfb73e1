"""Text encoders: what the text half of a space needs of one, and the one that Triton serves."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from contracts.space import TextRole
from contracts.trace import TraceContext
from encoding.batches import Inference, Tensors, Vectors, batch_size, embed_batches
from encoding.manifests import TextManifest, read_manifest
from encoding.text import TextTokens


class TextEncoder(Protocol):
    """Turns texts into unit vectors, each with the prefix of its role before it."""

    @property
    def max_tokens(self) -> int:
        """Longest passage by `token_count`."""
        ...

    def token_count(self, text: str) -> int:
        """Tokens of a text as it is read as a passage: with the prefix, without special tokens."""
        ...

    async def texts_at_once(self, *, timeout_s: float) -> int:
        """Most texts that one request takes; who sends more has them split. Errors as in `embed`."""
        ...

    async def embed(
        self,
        texts: Sequence[str],
        *,
        role: TextRole,
        priority: int,
        timeout_s: float,
        trace: TraceContext | None = None,
    ) -> Vectors:
        """Float32 [n, dim].

        Raises:
            PayloadTooLarge: a text is longer than the model reads.
            DependencyDown, Overloaded, DeadlineExceeded, DependencyFailed: no vectors, for now.
        """
        ...


class ServedTextEncoder:
    """A text tower on Triton. Batches hold texts of like length.

    Args:
        repository: read for the model's manifest and tokenizer.
        model: which tower it is. served_as: its name on Triton and in the repository; `model` where not given.

    Raises:
        ConfigurationError: the model is not exported, or its files are damaged.
    """

    def __init__(
        self,
        inference: Inference,
        repository: Path,
        model: str,
        *,
        served_as: str | None = None,
        query_prefix: str = "",
        passage_prefix: str = "",
    ) -> None:
        self._served_as = served_as or model
        self.manifest = read_manifest(repository, self._served_as, TextManifest)
        self._inference = inference
        self._prefixes: dict[TextRole, str] = {"query": query_prefix, "passage": passage_prefix}
        self._tokens = TextTokens(
            repository / self.manifest.model / self.manifest.tokenizer,
            max_length=self.manifest.max_length,
            pad_token_id=self.manifest.pad_token_id,
        )

    @property
    def max_tokens(self) -> int:
        """See `TextEncoder`."""
        return self._tokens.max_tokens

    def token_count(self, text: str) -> int:
        """See `TextEncoder`."""
        return self._tokens.count(self._prefixes["passage"] + text)

    async def texts_at_once(self, *, timeout_s: float) -> int:
        """See `TextEncoder`."""
        return await self._inference.largest_batch(self._served_as, timeout_s=timeout_s)

    @property
    def query_prefix(self) -> str:
        """What the model reads before a question."""
        return self._prefixes["query"]

    async def embed(
        self,
        texts: Sequence[str],
        *,
        role: TextRole,
        priority: int,
        timeout_s: float,
        trace: TraceContext | None = None,
    ) -> Vectors:
        """See `TextEncoder`."""
        sequences = self.tokenise(texts, role)
        return await self._embed(sequences, priority=priority, timeout_s=timeout_s, trace=trace)

    def tokenise(self, texts: Sequence[str], role: TextRole) -> list[list[int]]:
        """Token ids of texts, with the prefix of their role and special tokens. Raises PayloadTooLarge."""
        return self._tokens.ids([self._prefixes[role] + text for text in texts])

    def tokenise_beginning(self, text: str) -> list[int]:
        """Token ids of a question, as far as the model reads."""
        return self._tokens.beginning(self._prefixes["query"] + text)

    async def embed_tokens(
        self,
        sequences: Sequence[Sequence[int]],
        *,
        priority: int,
        timeout_s: float,
        trace: TraceContext | None = None,
    ) -> Vectors:
        """What `embed` gives for the texts that these token ids came from.

        Raises:
            InvalidInput: they are not the model's tokens. Else as in `embed`.
        """
        self._tokens.check(sequences)
        return await self._embed(sequences, priority=priority, timeout_s=timeout_s, trace=trace)

    async def _embed(
        self,
        sequences: Sequence[Sequence[int]],
        *,
        priority: int,
        timeout_s: float,
        trace: TraceContext | None,
    ) -> Vectors:
        size = await batch_size(self._inference, self._served_as, len(sequences), timeout_s=timeout_s)
        batches = _batches(self._tokens, sequences, size)

        def tensors(rows: Sequence[int]) -> Tensors:
            return self._tokens.pad([sequences[row] for row in rows])

        return await embed_batches(
            self._inference,
            self._served_as,
            batches,
            tensors,
            self.manifest.dim,
            priority=priority,
            timeout_s=timeout_s,
            trace=trace,
        )


def _batches(tokens: TextTokens, sequences: Sequence[Sequence[int]], size: int) -> list[list[int]]:
    """Rows grouped by bucket, at most `size` a batch, so that nothing is padded to a stranger's length."""
    by_bucket: dict[int, list[int]] = {}
    for row, ids in enumerate(sequences):
        by_bucket.setdefault(tokens.bucket(len(ids)), []).append(row)
    return [rows[i : i + size] for rows in by_bucket.values() for i in range(0, len(rows), size)]
