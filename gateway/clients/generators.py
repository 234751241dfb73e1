"""The generators of answers: Llama on Triton, and sentences quoted from the hits where no Llama is loaded."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from contracts.space import TextRole
from contracts.tensors import LLAMA, PRIORITY_UPLOAD
from contracts.trace import TraceContext
from gateway.clients.llama import LlamaGenerator
from gateway.core.extraction import candidates, choose
from gateway.core.prompt import NOT_ANSWERED, Prompt
from gateway.core.writing import FinishReason, Piece, Sampling, Usage
from gateway.flows.answer import Generator

_ASK_AGAIN_S = 5.0
# Sentences embedded for one answer: at some 10 ms each on a small machine, half a second.
_MAX_CANDIDATES = 40
_MAX_SENTENCES = 3


class LoadedModels(Protocol):
    """Knows what Triton has loaded; `runtime.triton.TritonClient` does."""

    async def ready(self, models: Iterable[str]) -> bool:
        """Whether all these models are loaded."""
        ...


class TextEncoder(Protocol):
    """Embeds sentences; `encoding.encoder.Encoder` does."""

    @property
    def max_tokens(self) -> int:
        """Longest passage that it reads."""
        ...

    def token_count(self, text: str) -> int:
        """Tokens of a passage."""
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
        """Unit vectors, float32 [n, d]."""
        ...


class ExtractiveGenerator:
    """Quotes the sentences of the passages that come closest to the question, each with its `[n]`.

    Args:
        encoder: the text encoder to use, asked for each answer: it changes with the index.
    """

    name = "extractive"

    def __init__(self, encoder: Callable[[], TextEncoder]) -> None:
        self._encoder = encoder

    async def stream(
        self, prompt: Prompt, sampling: Sampling, *, timeout_s: float, trace: TraceContext
    ) -> AsyncGenerator[Piece, None]:
        """See `Generator.stream`. Tokens are those that the text encoder reads, and of `sampling` the length and
        the stop texts count: nothing is drawn.
        """
        encoder = self._encoder()
        pool = [
            candidate
            for candidate in candidates(prompt.question, prompt.passages, limit=_MAX_CANDIDATES)
            if encoder.token_count(candidate.meaning) <= encoder.max_tokens
        ]
        if not pool:
            yield Piece(NOT_ANSWERED, finish_reason="stop")
            return

        async def embed(texts: Sequence[str], role: TextRole) -> NDArray[np.float32]:
            # Behind other people's queries, in a queue that is patient enough for this many sentences.
            return await encoder.embed_texts(
                texts, role=role, priority=PRIORITY_UPLOAD, timeout_s=timeout_s, trace=trace
            )

        question, sentences = await asyncio.gather(
            embed([prompt.question], "query"), embed([candidate.meaning for candidate in pool], "passage")
        )
        chosen = choose(prompt.question, question[0], pool, sentences, limit=_MAX_SENTENCES)
        quotes = [f"{' ' if i else ''}{each.quote} [{each.passage.n}]" for i, each in enumerate(chosen)]
        read = (prompt.question, *(candidate.meaning for candidate in pool))
        read_tokens = sum(encoder.token_count(text) for text in read)
        for piece in _cut(quotes or [NOT_ANSWERED], sampling, read_tokens, encoder):
            yield piece


def _cut(quotes: Sequence[str], sampling: Sampling, read_tokens: int, encoder: TextEncoder) -> list[Piece]:
    """Whole sentences as far as the length allows, up to the first stop text."""
    text = "".join(quotes)
    end = min((place for stop in sampling.stop if (place := text.find(stop)) >= 0), default=len(text))
    reason: FinishReason = "stop"
    texts: list[str] = []
    tokens = 0
    for quote in quotes:
        quote, end = quote[:end], end - len(quote[:end])
        if sampling.max_tokens is not None and tokens + encoder.token_count(quote) > sampling.max_tokens:
            reason = "length"
            break
        tokens += encoder.token_count(quote)
        texts.append(quote)
    usage = Usage(read_tokens, tokens)
    return [*(Piece(each, usage) for each in texts), Piece("", usage, finish_reason=reason)]


class GeneratorChoice:
    """Llama while Triton has it loaded, else the extractive one; Triton is asked again every few seconds."""

    def __init__(
        self,
        models: LoadedModels,
        llama: LlamaGenerator,
        extractive: Generator,
        *,
        monotonic_s: Callable[[], float],
    ) -> None:
        self._models = models
        self._llama = llama
        self._extractive = extractive
        self._monotonic_s = monotonic_s
        self._asked_s: float | None = None
        self._loaded = False

    async def choose(self) -> Generator:
        """The best generator now."""
        return await self.language_model() or self._extractive

    async def language_model(self) -> LlamaGenerator | None:
        """Llama, while it is loaded."""
        now_s = self._monotonic_s()
        if self._asked_s is None or now_s - self._asked_s >= _ASK_AGAIN_S:
            self._asked_s = now_s
            self._loaded = await self._models.ready([LLAMA])
        return self._llama if self._loaded else None
