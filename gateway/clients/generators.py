"""The generators of answers: Llama on Triton, and sentences quoted from the hits where no Llama is loaded."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from contracts.errors import DependencyFailed
from contracts.space import TextRole
from contracts.tensors import LLAMA, PRIORITY_UPLOAD
from contracts.trace import TraceContext
from gateway.core.extraction import candidates, choose
from gateway.core.prompt import NOT_ANSWERED, Prompt, as_messages
from gateway.flows.answer import Generator

_MAX_NEW_TOKENS = 400
_ASK_AGAIN_S = 5.0
# Sentences embedded for one answer: at some 10 ms each on a small machine, half a second.
_MAX_CANDIDATES = 40
_MAX_SENTENCES = 3


class ModelStream(Protocol):
    """Streams a decoupled model; `runtime.triton.TritonClient` does."""

    def stream(
        self,
        model: str,
        inputs: Mapping[str, NDArray[Any]],
        *,
        first_timeout_s: float,
        trace: TraceContext | None = None,
    ) -> AsyncGenerator[Mapping[str, NDArray[Any]], None]:
        """Each response's outputs by name; closing the generator cancels the request."""
        ...

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


class LlamaGenerator:
    """Llama on Triton: one decoupled request, tensors as in `contracts.tensors.LLAMA_SPEC`."""

    name = "llama"

    def __init__(self, models: ModelStream, *, max_new_tokens: int = _MAX_NEW_TOKENS) -> None:
        self._models = models
        self._max_new_tokens = max_new_tokens

    async def stream(self, prompt: Prompt, *, timeout_s: float, trace: TraceContext) -> AsyncGenerator[str, None]:
        """See `Generator.stream`."""
        inputs: dict[str, NDArray[Any]] = {
            "messages": np.array([json.dumps(as_messages(prompt)).encode()], dtype=np.object_),
            "max_tokens": np.array([self._max_new_tokens], dtype=np.int32),
            "temperature": np.array([0.0], dtype=np.float32),
        }
        responses = self._models.stream(LLAMA, inputs, first_timeout_s=timeout_s, trace=trace)
        # Closed here and now when the caller leaves, not when the collector comes by: closing is what cancels the
        # request in Triton and frees its slot.
        async with aclosing(responses):
            async for outputs in responses:
                delta = outputs.get("delta")
                if delta is None or delta.size != 1:
                    raise DependencyFailed("triton", "The language model's answer has another form than agreed.")
                if text := bytes(delta.reshape(-1)[0]).decode("utf-8", "replace"):
                    yield text


class ExtractiveGenerator:
    """Quotes the sentences of the passages that come closest to the question, each with its `[n]`."""

    name = "extractive"

    def __init__(self, encoder: TextEncoder) -> None:
        self._encoder = encoder

    async def stream(self, prompt: Prompt, *, timeout_s: float, trace: TraceContext) -> AsyncGenerator[str, None]:
        """See `Generator.stream`."""
        pool = [
            candidate
            for candidate in candidates(prompt.question, prompt.passages, limit=_MAX_CANDIDATES)
            if self._encoder.token_count(candidate.meaning) <= self._encoder.max_tokens
        ]
        if not pool:
            yield NOT_ANSWERED
            return

        async def embed(texts: Sequence[str], role: TextRole) -> NDArray[np.float32]:
            # Behind other people's queries, in a queue that is patient enough for this many sentences.
            return await self._encoder.embed_texts(
                texts, role=role, priority=PRIORITY_UPLOAD, timeout_s=timeout_s, trace=trace
            )

        question, sentences = await asyncio.gather(
            embed([prompt.question], "query"), embed([candidate.meaning for candidate in pool], "passage")
        )
        chosen = choose(prompt.question, question[0], pool, sentences, limit=_MAX_SENTENCES)
        if not chosen:
            yield NOT_ANSWERED
        for i, candidate in enumerate(chosen):
            yield f"{' ' if i else ''}{candidate.quote} [{candidate.passage.n}]"


class GeneratorChoice:
    """Llama while Triton has it loaded, else the extractive one; Triton is asked again every few seconds."""

    def __init__(
        self, models: ModelStream, llama: Generator, extractive: Generator, *, monotonic_s: Callable[[], float]
    ) -> None:
        self._models = models
        self._llama = llama
        self._extractive = extractive
        self._monotonic_s = monotonic_s
        self._asked_s: float | None = None
        self._loaded = False

    async def choose(self) -> Generator:
        """The best generator now."""
        now_s = self._monotonic_s()
        if self._asked_s is None or now_s - self._asked_s >= _ASK_AGAIN_S:
            self._asked_s = now_s
            self._loaded = await self._models.ready([LLAMA])
        return self._llama if self._loaded else self._extractive
