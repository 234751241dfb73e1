"""POST /v1/chat/completions as the `openai` client sees it, over a socket."""

import base64
from typing import Any

import openai
import pytest

from contracts.errors import DependencyDown, DependencyFailed, Overloaded
from gateway.settings import GatewaySettings
from tests.gateway.door import Door
from tests.gateway.echo_llama import EchoLlama, messages_of
from tests.gateway.listening import asked_with_openai
from tests.gateway.routes.test_search_route import png

SAY: list[Any] = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "one two three"}]
ASK: list[Any] = [{"role": "user", "content": "a violin has how many strings"}]
KEY = "a-key-that-is-long-enough"


async def test_the_language_model_answers_with_text_usage_and_the_reason_of_the_end() -> None:
    async with asked_with_openai(Door(models=EchoLlama())) as client:
        done = await client.chat.completions.create(model="llama", messages=SAY)
        cut = await client.chat.completions.create(model="llama", messages=SAY, max_completion_tokens=2)
    (choice,) = done.choices
    assert (choice.message.role, choice.message.content, choice.finish_reason) == (
        "assistant",
        "one two three ",
        "stop",
    )
    assert done.usage is not None
    assert (done.usage.prompt_tokens, done.usage.completion_tokens, done.usage.total_tokens) == (5, 3, 8)
    assert (done.model, done.system_fingerprint) == ("llama", "trireme-llama")
    assert (cut.choices[0].message.content, cut.choices[0].finish_reason) == ("one two ", "length")


async def test_a_stream_is_the_whole_in_pieces_and_ends_with_the_usage() -> None:
    async with asked_with_openai(Door(models=EchoLlama())) as client:
        whole = await client.chat.completions.create(model="llama", messages=SAY)
        stream = await client.chat.completions.create(
            model="llama", messages=SAY, stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in stream]
    *content, last, counted = chunks
    assert content[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].delta.content for chunk in content[1:]] == ["one ", "two ", "three "]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in content) == whole.choices[0].message.content
    assert [chunk.choices[0].finish_reason for chunk in [*content, last]] == [None] * 4 + ["stop"]
    assert (counted.choices, counted.usage) == ([], whole.usage)
    assert all(chunk.usage is None for chunk in [*content, last])
    assert len({chunk.id for chunk in chunks}) == 1


async def test_a_stream_that_was_not_asked_for_usage_has_none() -> None:
    async with asked_with_openai(Door(models=EchoLlama())) as client:
        stream = await client.chat.completions.create(model="llama", messages=SAY, stream=True)
        chunks = [chunk async for chunk in stream]
    assert all(len(chunk.choices) == 1 and chunk.usage is None for chunk in chunks)


@pytest.mark.parametrize("stop", [" three", ["zebra", " three"]])
async def test_an_answer_ends_before_its_stop_text(stop: str | list[str]) -> None:
    async with asked_with_openai(Door(models=EchoLlama())) as client:
        done = await client.chat.completions.create(model="llama", messages=SAY, stop=stop)
    assert (done.choices[0].message.content, done.choices[0].finish_reason) == ("one two", "stop")


async def test_sampling_reaches_the_model_and_a_developer_is_the_system() -> None:
    model = EchoLlama()
    parts: list[Any] = [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]
    async with asked_with_openai(Door(models=model)) as client:
        await client.chat.completions.create(
            model="llama",
            messages=[{"role": "developer", "content": "Be <|eot_id|>."}, {"role": "user", "content": parts}],
            temperature=0.5,
            top_p=0.25,
            seed=-1,
            max_tokens=7,
        )
        await client.chat.completions.create(model="llama", messages=SAY)
    asked, plain = model.asked
    assert messages_of(asked) == [
        {"role": "system", "content": "Be < |eot_id| >."},
        {"role": "user", "content": "one\ntwo"},
    ]
    sampling = {name: float(asked[name].item()) for name in ("temperature", "top_p", "seed", "max_tokens")}
    assert sampling == {"temperature": 0.5, "top_p": 0.25, "seed": 2**31 - 1, "max_tokens": 7}
    assert plain["temperature"].item() == 0


async def test_the_retrieval_model_answers_from_the_documents_with_citations() -> None:
    async with asked_with_openai(Door()) as client:
        done = await client.chat.completions.create(
            model="trireme", messages=ASK, extra_body={"trireme": {"k": 3}}
        )
    (choice,) = done.choices
    text = choice.message.content or ""
    extension = (done.model_extra or {})["trireme"]
    (citation,) = extension["citations"]
    (annotation,) = choice.message.annotations or []
    place = annotation.url_citation
    assert text[place.start_index : place.end_index] == f"[{citation['n']}]"
    document = extension["documents"][citation["n"] - 1]
    assert citation["quote"] in document["text"]
    assert citation["quote"] in text
    assert place.title == citation["source"]
    assert place.url.endswith(document["document_url"])
    assert place.url.startswith("http://127.0.0.1:")
    assert len(extension["documents"]) == 3
    # Nothing but quotations, because no language model is loaded; the response says so.
    assert (extension["generator"], extension["found"], done.system_fingerprint) == (
        "extractive",
        True,
        "trireme-extractive",
    )
    assert done.usage is not None
    assert done.usage.completion_tokens == len(text.split())


async def test_a_retrieval_stream_brings_the_documents_first_and_the_citations_last() -> None:
    async with asked_with_openai(Door()) as client:
        stream = await client.chat.completions.create(model="trireme", messages=ASK, stream=True)
        first, *content, last = [chunk async for chunk in stream]
    documents = (first.model_extra or {})["trireme"]["documents"]
    closing = (last.model_extra or {})["trireme"]
    text = "".join(chunk.choices[0].delta.content or "" for chunk in content)
    (annotation,) = (last.choices[0].delta.model_extra or {})["annotations"]
    place = annotation["url_citation"]
    (citation,) = closing["citations"]
    assert text[place["start_index"] : place["end_index"]] == f"[{citation['n']}]"
    assert documents[citation["n"] - 1]["doc_id"] == citation["doc_id"]
    assert "documents" not in closing
    assert last.choices[0].finish_reason == "stop"


async def test_with_a_language_model_retrieval_gives_it_passages_and_what_was_said_before() -> None:
    model = EchoLlama()
    before: list[Any] = [
        {"role": "system", "content": "Answer in French."},
        {"role": "user", "content": "Bees?"},
        {"role": "assistant", "content": "They dance."},
    ]
    async with asked_with_openai(Door(models=model)) as client:
        done = await client.chat.completions.create(model="trireme", messages=[*before, *ASK], temperature=0.5)
    condenser, asked = model.asked
    assert "Person: Bees?\nAssistant: They dance." in messages_of(condenser)[-1]["content"]
    system, user, assistant, question = messages_of(asked)
    assert system["content"].endswith("Answer in French.")
    assert [user["content"], assistant["content"]] == ["Bees?", "They dance."]
    assert question["content"].startswith("Passages:")
    assert question["content"].endswith("Question: a violin has how many strings")
    assert asked["temperature"].item() == 0.5
    extension = (done.model_extra or {})["trireme"]
    # An echo's last words.
    assert (extension["generator"], extension["searched_for"]) == ("llama", "The question on its own:")
    assert done.usage is not None
    assert done.usage.prompt_tokens == sum(len(message["content"].split()) for message in messages_of(asked))


async def test_a_picture_in_the_last_message_is_searched_with() -> None:
    door = Door()
    picture = f"data:image/png;base64,{base64.b64encode(png()).decode()}"
    content: list[Any] = [
        {"type": "text", "text": "bees dance"},
        {"type": "image_url", "image_url": {"url": picture}},
    ]
    async with asked_with_openai(door) as client:
        await client.chat.completions.create(model="trireme", messages=[{"role": "user", "content": content}])
    assert "clip_image" in door.encoder.calls


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("models", "raised", "code"),
    [
        (EchoLlama(loaded=False), openai.InternalServerError, "dependency_down"),
        (EchoLlama(failure=Overloaded("Full.", retry_after_s=3)), openai.RateLimitError, "overloaded"),
        (EchoLlama(failure=DependencyFailed("triton")), openai.InternalServerError, "dependency_failed"),
        (EchoLlama(context=4), openai.BadRequestError, "payload_too_large"),
    ],
)
async def test_an_answer_that_cannot_begin_is_an_error_of_the_client(
    models: EchoLlama, raised: type[openai.APIStatusError], code: str, stream: bool
) -> None:
    async with asked_with_openai(Door(models=models)) as client:
        with pytest.raises(raised) as refused:
            await client.chat.completions.create(model="llama", messages=SAY, stream=stream)
    assert refused.value.code == code
    if code == "overloaded":
        assert refused.value.response.headers["retry-after"] == "3"


@pytest.mark.parametrize("stream", [True, False])
async def test_a_full_queue_of_the_writer_refuses_a_question_to_the_documents_too(stream: bool) -> None:
    async with asked_with_openai(Door(models=EchoLlama(failure=Overloaded("Full.")))) as client:
        with pytest.raises(openai.RateLimitError):
            await client.chat.completions.create(model="trireme", messages=ASK, stream=stream)


async def test_an_error_in_the_middle_of_a_stream_ends_it_as_an_error() -> None:
    model = EchoLlama(failure=DependencyDown("triton"), fails_after=2)
    written: list[str | None] = []
    async with asked_with_openai(Door(models=model)) as client:
        stream = await client.chat.completions.create(model="llama", messages=SAY, stream=True)
        for _ in range(3):
            written.append((await anext(stream)).choices[0].delta.content)
        with pytest.raises(openai.APIError) as broken:
            await anext(stream)
    assert written == ["", "one ", "two "]
    assert "cannot be reached" in broken.value.message


async def test_a_client_that_closes_its_stream_closes_the_models() -> None:
    model = EchoLlama(hangs_after=1)
    async with asked_with_openai(Door(models=model)) as client:
        stream = await client.chat.completions.create(model="llama", messages=SAY, stream=True)
        await anext(stream)
        assert not model.closed.is_set()
        await stream.close()
        await model.closed.wait()


async def test_a_client_that_gives_up_waiting_for_the_whole_closes_the_models_stream() -> None:
    model = EchoLlama(hangs_after=0)
    async with asked_with_openai(Door(models=model)) as client:
        with pytest.raises(openai.APITimeoutError):
            await client.chat.completions.create(model="llama", messages=SAY, timeout=0.2)
        await model.closed.wait()


async def test_a_key_is_sent_as_the_client_does_and_a_wrong_one_is_an_authentication_error() -> None:
    door = Door(GatewaySettings(api_keys=(KEY,)), models=EchoLlama())
    async with asked_with_openai(door, api_key=KEY) as client:
        assert (await client.chat.completions.create(model="llama", messages=SAY)).choices
        with pytest.raises(openai.AuthenticationError):
            await client.with_options(api_key="wrong").chat.completions.create(model="llama", messages=SAY)


async def test_an_unknown_model_is_not_found() -> None:
    async with asked_with_openai(Door(models=EchoLlama())) as client:
        with pytest.raises(openai.NotFoundError) as unknown:
            await client.chat.completions.create(model="gpt-4o", messages=SAY)
    assert unknown.value.param == "model"
    assert "trireme and llama" in unknown.value.message
