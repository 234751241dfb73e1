"""A language model that can be foreseen: it says the last message's words again, one token a word."""

import asyncio
import json
from collections.abc import AsyncGenerator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.errors import DependencyDown, RequestRefused, TriremeError
from contracts.tensors import LLAMA
from contracts.trace import TraceContext

Tensors = Mapping[str, NDArray[Any]]


@dataclass
class EchoLlama:
    """Answers with the last `most_words` words of the last message; a token's id is its word's length.

    Args:
        failure: raised once `fails_after` words are out; at 0 before the first.
        hangs_after: words after which it waits for ever.
        ends_after: words after which the stream just ends.
        context: tokens of a prompt that are too many.
        leaves_out: output that is missing from each response.
    """

    loaded: bool = True
    most_words: int = 5
    failure: TriremeError | None = None
    fails_after: int = 0
    hangs_after: int | None = None
    ends_after: int | None = None
    context: int = 1000
    leaves_out: str | None = None
    asked: list[Tensors] = field(default_factory=list)
    times_ready_was_asked: int = 0
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    async def stream(
        self, model: str, inputs: Tensors, *, first_timeout_s: float, trace: TraceContext | None = None
    ) -> AsyncGenerator[Tensors, None]:
        assert model == LLAMA
        if not self.loaded:
            raise DependencyDown("triton")
        self.asked.append(inputs)
        prompt = sum(len(message["content"].split()) for message in messages_of(inputs))
        if prompt >= self.context:
            reason = f"Invalid argument: the prompt has {prompt} tokens; the context holds {self.context}"
            raise RequestRefused("triton", reason)
        try:
            words, reason = self._answer(inputs)
            for i, word in enumerate(words):
                self._fail(i)
                if i == self.hangs_after:
                    await asyncio.Event().wait()
                if i == self.ends_after:
                    return
                await asyncio.sleep(0)
                yield self._response(word, prompt, i + 1, reason if i + 1 == len(words) else "")
            self._fail(len(words))
        finally:
            self.closed.set()

    async def ready(self, models: Iterable[str]) -> bool:
        self.times_ready_was_asked += 1
        return self.loaded

    def _answer(self, inputs: Tensors) -> tuple[list[str], str]:
        """Words to say, each with the space after it, and why the answer ends."""
        words = [f"{word} " for word in messages_of(inputs)[-1]["content"].split()[-self.most_words :]]
        stops = [bytes(stop).decode() for stop in inputs.get("stop", ())]
        text = "".join(words)
        end = min((text.find(stop) for stop in stops if stop in text), default=len(text))
        said: list[str] = []
        for word in words:
            said.append(word[: max(0, end)])
            end -= len(word)
        limit = int(inputs["max_tokens"].item()) if "max_tokens" in inputs else len(said)
        return (said[:limit], "length") if limit < len(said) else (said, "stop")

    def _fail(self, said: int) -> None:
        if self.failure is not None and said >= self.fails_after:
            raise self.failure

    def _response(self, text: str, prompt: int, written: int, reason: str) -> Tensors:
        outputs: dict[str, NDArray[Any]] = {
            "delta": np.array([text.encode()], dtype=np.object_),
            "token_ids": np.array([len(text)], dtype=np.int32),
            "prompt_tokens": np.array([prompt], dtype=np.int32),
            "completion_tokens": np.array([written], dtype=np.int32),
            "finish_reason": np.array([reason.encode()], dtype=np.object_),
        }
        return {name: value for name, value in outputs.items() if name != self.leaves_out}


def messages_of(inputs: Tensors) -> list[dict[str, str]]:
    """The conversation in a request's tensors."""
    messages: list[dict[str, str]] = json.loads(bytes(inputs["messages"].item()))
    return messages
