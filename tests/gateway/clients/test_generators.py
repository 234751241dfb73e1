"""Generators: which one writes, and what each makes of a prompt."""

from collections.abc import AsyncIterator, Iterable, Mapping
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


@dataclass
class EchoModel:
    """A decoupled model that answers with the last words of its prompt, one response a word."""

    loaded: bool = True
    asked: list[Mapping[str, NDArray[Any]]] = field(default_factory=list)
    times_ready_was_asked: int = 0
    output: str = "delta"

    async def stream(
        self,
        model: str,
        inputs: Mapping[str, NDArray[Any]],
        *,
        first_timeout_s: float,
        trace: TraceContext | None = None,
    ) -> AsyncIterator[Mapping[str, NDArray[Any]]]:
        assert model == LLAMA
        if not self.loaded:
            raise DependencyDown("triton")
        self.asked.append(inputs)
        for word in bytes(inputs["prompt"][0]).decode().split()[-3:]:
            yield {self.output: np.array([f"{word} ".encode()], dtype=np.object_)}

    async def ready(self, models: Iterable[str]) -> bool:
        self.times_ready_was_asked += 1
        return self.loaded


async def test_the_extractive_generator_quotes_the_sentence_that_answers() -> None:
    assert await text_of(ExtractiveGenerator(WordEncoder()), "A violin has how many strings?") == (
        "A violin has four strings. [2]"
    )


async def test_the_extractive_generator_says_when_nothing_answers() -> None:
    assert await text_of(ExtractiveGenerator(WordEncoder()), "quarterly pension reform") == NOT_ANSWERED


async def test_the_extractive_generator_passes_on_that_the_encoder_is_away() -> None:
    encoder = WordEncoder(failing={"text": DependencyDown("triton")})
    with pytest.raises(DependencyDown):
        await text_of(ExtractiveGenerator(encoder), "violin strings")


async def test_llama_gets_the_prompt_and_its_deltas_come_out_as_text() -> None:
    model = EchoModel()
    assert await text_of(LlamaGenerator(model), "Why so?") == "Why so? Answer: "
    (inputs,) = model.asked
    assert "[2] (source-2.pdf, page 2) A violin has four strings." in bytes(inputs["prompt"][0]).decode()


async def test_llama_is_sent_the_tensors_of_the_contract() -> None:
    model = EchoModel()
    await text_of(LlamaGenerator(model), "Why?")
    kinds = {"BYTES": np.object_, "INT32": np.int32, "FP32": np.float32}
    (inputs,) = model.asked
    assert {name: (array.dtype.type, array.shape) for name, array in inputs.items()} == {
        spec.name: (kinds[spec.dtype], spec.shape) for spec in LLAMA_SPEC.inputs
    }


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
