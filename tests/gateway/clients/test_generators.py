"""Generators: which one writes, and what each makes of a prompt."""

import json
from collections.abc import AsyncGenerator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from contracts.errors import DependencyDown, DependencyFailed
from contracts.tensors import LLAMA, LLAMA_SPEC
from contracts.trace import TraceContext
from gateway.clients.generators import ExtractiveGenerator, GeneratorChoice, LlamaGenerator
from gateway.core.prompt import NOT_ANSWERED, Prompt, build_prompt
from gateway.flows.answer import Generator
from tests.gateway.core.answering import passages
from tests.gateway.fakes import TRACE, WordEncoder

PASSAGES = passages("The pump needs oil every month. Bees dance.", "A violin has four strings.")


def prompt(question: str) -> Prompt:
    return build_prompt(question, PASSAGES, budget_tokens=1000, count=lambda text: len(text.split()))


async def text_of(generator: Generator, question: str) -> str:
    return "".join([piece async for piece in generator.stream(prompt(question), timeout_s=5, trace=TRACE)])


def asked_of(inputs: Mapping[str, NDArray[Any]]) -> str:
    """What the user's message says."""
    system, user = json.loads(bytes(inputs["messages"][0]))
    assert (system["role"], user["role"]) == ("system", "user")
    return str(user["content"])


@dataclass
class EchoModel:
    """A decoupled model that answers with the last words of its prompt, one response a word."""

    loaded: bool = True
    asked: list[Mapping[str, NDArray[Any]]] = field(default_factory=list)
    times_ready_was_asked: int = 0
    output: str = "delta"
    closed: bool = False

    async def stream(
        self,
        model: str,
        inputs: Mapping[str, NDArray[Any]],
        *,
        first_timeout_s: float,
        trace: TraceContext | None = None,
    ) -> AsyncGenerator[Mapping[str, NDArray[Any]], None]:
        assert model == LLAMA
        if not self.loaded:
            raise DependencyDown("triton")
        self.asked.append(inputs)
        try:
            for word in asked_of(inputs).split()[-2:]:
                yield {self.output: np.array([f"{word} ".encode()], dtype=np.object_)}
        finally:
            self.closed = True

    async def ready(self, models: Iterable[str]) -> bool:
        self.times_ready_was_asked += 1
        return self.loaded


async def test_the_extractive_generator_quotes_the_sentence_that_answers() -> None:
    encoder = WordEncoder()
    assert await text_of(ExtractiveGenerator(encoder), "A violin has how many strings?") == (
        "A violin has four strings. [2]"
    )
    # The question asks, the sentences are asked for.
    assert sorted(encoder.roles) == [("passage", 2), ("query", 1)]


async def test_the_extractive_generator_says_when_nothing_answers() -> None:
    assert await text_of(ExtractiveGenerator(WordEncoder()), "quarterly pension reform") == NOT_ANSWERED


async def test_the_extractive_generator_passes_on_that_the_encoder_is_away() -> None:
    encoder = WordEncoder(failing={"text": DependencyDown("triton")})
    with pytest.raises(DependencyDown):
        await text_of(ExtractiveGenerator(encoder), "violin strings")


async def test_llama_gets_the_prompt_and_its_deltas_come_out_as_text() -> None:
    model = EchoModel()
    assert await text_of(LlamaGenerator(model), "Why so?") == "Why so? "
    (inputs,) = model.asked
    assert "[2] (source-2.pdf, page 2) A violin has four strings." in asked_of(inputs)


async def test_llama_is_sent_the_tensors_of_the_contract() -> None:
    model = EchoModel()
    await text_of(LlamaGenerator(model), "Why?")
    kinds = {"BYTES": np.object_, "INT32": np.int32, "INT64": np.int64, "FP32": np.float32}
    agreed = {spec.name: (kinds[spec.dtype], spec.shape) for spec in LLAMA_SPEC.inputs}
    required = {spec.name for spec in LLAMA_SPEC.inputs if not spec.optional}
    (inputs,) = model.asked
    assert required <= set(inputs)
    for name, array in inputs.items():
        assert (array.dtype.type, array.shape) == agreed[name]


async def test_the_models_stream_is_closed_when_the_reader_of_the_answer_leaves() -> None:
    model = EchoModel()
    pieces = LlamaGenerator(model).stream(prompt("Why so?"), timeout_s=5, trace=TRACE)
    await anext(pieces)
    assert not model.closed
    await pieces.aclose()
    assert model.closed


async def test_an_answer_of_another_form_is_a_failure_of_the_model() -> None:
    with pytest.raises(DependencyFailed):
        await text_of(LlamaGenerator(EchoModel(output="other")), "Why?")


async def test_llama_writes_while_it_is_loaded_and_is_asked_for_only_now_and_then() -> None:
    now_s = 0.0
    model = EchoModel()
    llama, extractive = LlamaGenerator(model), ExtractiveGenerator(WordEncoder())
    choice = GeneratorChoice(model, llama, extractive, monotonic_s=lambda: now_s)
    assert [(await choice.choose()).name for _ in range(3)] == ["llama"] * 3
    assert model.times_ready_was_asked == 1
    model.loaded = False
    now_s = 6.0
    assert (await choice.choose()).name == "extractive"
