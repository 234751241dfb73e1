"""Llama on Triton, as the gateway asks it."""

import numpy as np
import pytest

from contracts.errors import DependencyFailed, InvalidInput, PayloadTooLarge, RequestRefused
from contracts.tensors import LLAMA_SPEC
from gateway.clients.llama import LlamaGenerator
from gateway.core.prompt import build_prompt
from gateway.core.writing import GREEDY, Message, Piece, Sampling, Usage
from tests.gateway.core.answering import passages
from tests.gateway.echo_llama import EchoLlama, Tensors, messages_of
from tests.gateway.fakes import TRACE

PROMPT = build_prompt(
    "Why so?", passages("Bees dance.", "A violin has four strings."), budget_tokens=1000, count=len
)
CONVERSATION = [Message("system", "Be brief."), Message("user", "say it again")]


async def answer(model: EchoLlama, sampling: Sampling = GREEDY) -> list[Piece]:
    return [piece async for piece in LlamaGenerator(model).stream(PROMPT, sampling, timeout_s=5, trace=TRACE)]


async def chat(model: EchoLlama, sampling: Sampling = GREEDY) -> list[Piece]:
    return [piece async for piece in LlamaGenerator(model).write(CONVERSATION, sampling, timeout_s=5, trace=TRACE)]


def agrees_with_the_contract(inputs: Tensors) -> bool:
    kinds = {"BYTES": np.object_, "INT32": np.int32, "INT64": np.int64, "FP32": np.float32}
    agreed = {spec.name: (kinds[spec.dtype], spec.shape) for spec in LLAMA_SPEC.inputs}
    return all(
        array.dtype.type == agreed[name][0] and (agreed[name][1] == (None,) or array.shape == agreed[name][1])
        for name, array in inputs.items()
    )


async def test_the_prompt_goes_in_and_its_deltas_come_out_as_text() -> None:
    model = EchoLlama(most_words=2)
    assert [piece.text for piece in await answer(model)] == ["Why ", "so? "]
    (inputs,) = model.asked
    system, user = messages_of(inputs)
    assert (system["role"], user["role"]) == ("system", "user")
    assert "[2] (source-2.pdf, page 2) A violin has four strings." in user["content"]


async def test_tokens_counts_and_the_reason_of_the_end_come_with_the_text() -> None:
    assert await chat(EchoLlama()) == [
        Piece("say ", Usage(5, 1), (4,)),
        Piece("it ", Usage(5, 2), (3,)),
        Piece("again ", Usage(5, 3), (6,), "stop"),
    ]
    *_, last = await chat(EchoLlama(), Sampling(max_tokens=2))
    assert (last.usage.completion_tokens, last.finish_reason) == (2, "length")


async def test_what_is_asked_is_sent_as_the_tensors_of_the_contract() -> None:
    model = EchoLlama()
    full = Sampling(max_tokens=9, temperature=0.5, top_p=0.9, seed=2**31 - 1, stop=("a", "ü"))
    await chat(model, full)
    await answer(model)
    await chat(model)
    everything, cited, plain = model.asked
    assert all(agrees_with_the_contract(inputs) for inputs in model.asked)
    assert everything.keys() == {"messages", "max_tokens", "temperature", "top_p", "seed", "stop"}
    assert [bytes(stop).decode() for stop in everything["stop"]] == ["a", "ü"]
    assert cited["max_tokens"].item() == 400
    # How long a conversation's answer may be is the model's own affair.
    assert "max_tokens" not in plain
    assert plain["temperature"].item() == 0


async def test_the_models_stream_is_closed_when_the_reader_leaves() -> None:
    model = EchoLlama()
    pieces = LlamaGenerator(model).write(CONVERSATION, GREEDY, timeout_s=5, trace=TRACE)
    await anext(pieces)
    assert not model.closed.is_set()
    await pieces.aclose()
    assert model.closed.is_set()


@pytest.mark.parametrize("output", ["delta", "prompt_tokens", "token_ids", "finish_reason"])
async def test_an_answer_of_another_form_is_a_failure_of_the_model(output: str) -> None:
    with pytest.raises(DependencyFailed, match="form"):
        await chat(EchoLlama(leaves_out=output))


async def test_an_answer_that_ends_without_saying_why_broke_off() -> None:
    with pytest.raises(DependencyFailed, match="broke off"):
        await chat(EchoLlama(ends_after=2))


async def test_a_prompt_that_fills_the_context_is_the_callers_to_shorten() -> None:
    with pytest.raises(PayloadTooLarge, match="5 tokens; the model's context holds 4"):
        await chat(EchoLlama(context=4))


async def test_what_else_the_model_refuses_is_told_without_its_words() -> None:
    with pytest.raises(InvalidInput) as refused:
        await chat(EchoLlama(failure=RequestRefused("triton", "Invalid argument: /secret/path")))
    assert "secret" not in refused.value.message
