"""Generators: which one writes, and what the one that quotes makes of a prompt."""

import pytest

from contracts.errors import DependencyDown
from gateway.clients.generators import ExtractiveGenerator, GeneratorChoice
from gateway.clients.llama import LlamaGenerator
from gateway.core.prompt import NOT_ANSWERED, Prompt, build_prompt
from gateway.core.writing import GREEDY, Piece, Sampling, Usage
from gateway.flows.answer import Generator
from tests.gateway.core.answering import passages
from tests.gateway.echo_llama import EchoLlama
from tests.gateway.fakes import TRACE, WordEncoder

PASSAGES = passages("The pump needs oil every month. Bees dance.", "A violin has four strings.")


def prompt(question: str) -> Prompt:
    return build_prompt(question, PASSAGES, budget_tokens=1000, count=lambda text: len(text.split()))


async def pieces_of(generator: Generator, question: str, sampling: Sampling = GREEDY) -> list[Piece]:
    return [piece async for piece in generator.stream(prompt(question), sampling, timeout_s=5, trace=TRACE)]


async def text_of(generator: Generator, question: str, sampling: Sampling = GREEDY) -> str:
    return "".join(piece.text for piece in await pieces_of(generator, question, sampling))


async def test_the_extractive_generator_quotes_the_sentence_that_answers() -> None:
    encoder = WordEncoder()
    assert await text_of(ExtractiveGenerator(lambda: encoder), "A violin has how many strings?") == (
        "A violin has four strings. [2]"
    )
    # The question asks, the sentences are asked for.
    assert sorted(encoder.roles) == [("passage", 2), ("query", 1)]


async def test_the_extractive_generator_says_when_nothing_answers() -> None:
    assert await text_of(ExtractiveGenerator(WordEncoder), "quarterly pension reform") == NOT_ANSWERED


async def test_the_extractive_generator_passes_on_that_the_encoder_is_away() -> None:
    encoder = WordEncoder(failing={"text": DependencyDown("triton")})
    with pytest.raises(DependencyDown):
        await text_of(ExtractiveGenerator(lambda: encoder), "violin strings")


async def test_the_extractive_generator_counts_what_it_read_and_what_it_quotes() -> None:
    *_, last = await pieces_of(ExtractiveGenerator(WordEncoder), "A violin has how many strings?")
    # The question and two statements; "Bees dance." is too short to be one.
    assert last.usage == Usage(6 + 6 + 5, 6)
    assert last.finish_reason == "stop"


async def test_a_quotation_longer_than_asked_for_is_left_out_whole() -> None:
    generator = ExtractiveGenerator(WordEncoder)
    (piece,) = await pieces_of(generator, "A violin has how many strings?", Sampling(max_tokens=5))
    assert (piece.text, piece.finish_reason) == ("", "length")
    fits = await text_of(generator, "A violin has how many strings?", Sampling(max_tokens=6))
    assert fits == "A violin has four strings. [2]"


async def test_quotations_end_before_a_stop_text() -> None:
    generator = ExtractiveGenerator(WordEncoder)
    question = "A violin has how many strings?"
    assert await text_of(generator, question, Sampling(stop=("zebra", " four"))) == "A violin has"


async def test_llama_writes_while_it_is_loaded_and_is_asked_for_only_now_and_then() -> None:
    now_s = 0.0
    model = EchoLlama()
    llama, extractive = LlamaGenerator(model), ExtractiveGenerator(WordEncoder)
    choice = GeneratorChoice(model, llama, extractive, monotonic_s=lambda: now_s)
    assert [(await choice.choose()).name for _ in range(3)] == ["llama"] * 3
    assert model.times_ready_was_asked == 1
    model.loaded = False
    now_s = 6.0
    assert (await choice.choose()).name == "extractive"
