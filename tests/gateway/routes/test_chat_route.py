"""POST /v1/chat/completions on the wire: what a stream's bytes are, and what is refused in which words."""

import base64
import json
from typing import Any

import httpx
import pytest

from contracts.errors import DependencyDown
from gateway.routes.chat_schema import ChatCompletion, ChatCompletionChunk
from gateway.settings import GatewaySettings
from tests.gateway.door import Door
from tests.gateway.echo_llama import EchoLlama
from tests.gateway.routes.test_search_route import png

SAY = {"model": "llama", "messages": [{"role": "user", "content": "one two three"}]}
ASK = {"model": "trireme", "messages": [{"role": "user", "content": "bees dance"}]}
PICTURE = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{base64.b64encode(png()).decode()}"}}
WORDS = {"type": "text", "text": "bees dance"}


async def post(door: Door, body: object, **headers: str) -> httpx.Response:
    async with door.client() as client:
        return await client.post("/v1/chat/completions", json=body, headers=headers)


def error_of(response: httpx.Response, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    assert response.json().keys() == {"error"}
    error: dict[str, Any] = response.json()["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert error["message"].endswith(".")
    return error


async def test_a_stream_is_data_lines_with_empty_lines_between_and_done_at_the_end() -> None:
    response = await post(Door(models=EchoLlama()), SAY | {"stream": True})
    assert response.headers["content-type"].startswith("text/event-stream")
    *chunks, done, nothing = response.content.split(b"\n\n")
    assert (done, nothing) == (b"data: [DONE]", b"")
    assert all(chunk.startswith(b"data: {") and b"\n" not in chunk for chunk in chunks)
    told = [json.loads(chunk.removeprefix(b"data: ")) for chunk in chunks]
    assert {chunk["object"] for chunk in told} == {"chat.completion.chunk"}
    assert told[0]["id"] == f"chatcmpl-{response.headers['x-trace-id']}"
    assert all("usage" not in chunk for chunk in told)


async def test_a_stream_that_breaks_ends_with_an_error_and_not_with_done() -> None:
    model = EchoLlama(failure=DependencyDown("triton"), fails_after=2)
    response = await post(Door(models=model), SAY | {"stream": True})
    assert response.status_code == 200
    *_, last, nothing = response.content.split(b"\n\n")
    error = json.loads(last.removeprefix(b"data: "))["error"]
    assert (error["type"], error["code"], nothing) == ("server_error", "dependency_down", b"")


async def test_tokens_come_beside_the_text_when_they_are_asked_for() -> None:
    door = Door(models=EchoLlama())
    whole = (await post(door, SAY | {"return_token_ids": True})).json()
    assert whole["choices"][0]["token_ids"] == [4, 4, 6]
    streamed = await post(door, SAY | {"return_token_ids": True, "stream": True})
    chunks = [json.loads(each.removeprefix("data: ")) for each in streamed.text.split("\n\n")[:-2]]
    ids = [chunk["choices"][0].get("token_ids", []) for chunk in chunks]
    assert ids == [[], [4], [4], [6], []]
    assert "token_ids" not in (await post(door, SAY)).json()["choices"][0]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"logprobs": True}, "logprobs"),
        ({"n": 2}, "n"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"presence_penalty": 1}, "presence_penalty"),
        ({"audio": {}}, "audio"),
        ({"never_heard_of": 1}, "never_heard_of"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages"),
        ({"messages": [{"role": "user"}]}, "messages"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages"),
        ({"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]}, "messages"),
        ({"messages": [{"role": "user", "content": [WORDS, PICTURE]}]}, "messages"),
        ({"messages": [{"role": "assistant", "content": "x", "tool_calls": [{"id": "1"}]}]}, "messages"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 5, "max_completion_tokens": 6}, "max_tokens"),
        ({"temperature": 3}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"stop": ""}, "stop"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "stop"),
        ({"seed": 2**63}, "seed"),
        ({"trireme": {"k": 3}}, "trireme"),
        ({"model": None}, "model"),
    ],
)
async def test_what_is_not_supported_is_refused_by_its_name(body: dict[str, object], param: str) -> None:
    model = EchoLlama()
    error = error_of(await post(Door(models=model), SAY | body), 400)
    assert (error["type"], error["param"]) == ("invalid_request_error", param)
    assert model.asked == []


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"messages": [{"role": "assistant", "content": "They dance."}]}, "messages"),
        ({"messages": [{"role": "user", "content": " "}]}, "messages"),
        ({"messages": [{"role": "user", "content": [PICTURE]}]}, "messages"),
        ({"messages": [{"role": "user", "content": [WORDS, PICTURE, PICTURE]}]}, "messages"),
        ({"messages": [{"role": "user", "content": [WORDS, PICTURE]}, *ASK["messages"]]}, "messages"),
        (
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [WORDS, {"type": "image_url", "image_url": {"url": "http://10.0.0.1/x.png"}}],
                    }
                ]
            },
            "messages",
        ),
        ({"messages": [{"role": "system", "content": "so " * 2000}, *ASK["messages"]]}, "messages"),
        ({"messages": [{"role": "user", "content": "why " * 1000}]}, None),
        ({"trireme": {"k": 0}}, "trireme"),
        ({"trireme": {"other": 1}}, "trireme"),
        ({"return_token_ids": True}, "return_token_ids"),
    ],
)
async def test_a_question_to_the_documents_that_cannot_be_is_refused(
    body: dict[str, object], param: str | None
) -> None:
    assert error_of(await post(Door(), ASK | body), 400)["param"] == param


async def test_what_clients_send_without_asking_for_anything_is_let_through() -> None:
    nothing = {
        "n": 1,
        "tools": [],
        "logprobs": False,
        "presence_penalty": 0.0,
        "frequency_penalty": 0,
        "response_format": {"type": "text"},
        "user": "someone",
        "metadata": {"a": "b"},
        "logit_bias": None,
        "stop": None,
        "stream": None,
    }
    before = {"role": "assistant", "content": "x", "refusal": None, "annotations": [], "tool_calls": None}
    body = SAY | nothing | {"messages": [before, *SAY["messages"]]}
    assert (await post(Door(models=EchoLlama()), body)).status_code == 200


async def test_a_conversation_longer_than_is_read_is_refused_with_the_limit() -> None:
    door = Door(GatewaySettings(max_chat_chars=1000), models=EchoLlama())
    body = SAY | {"messages": [{"role": "user", "content": "x" * 1001}]}
    assert "1,000" in error_of(await post(door, body), 400)["message"]


async def test_every_refusal_before_the_route_has_the_protocols_shape_too() -> None:
    small = Door(GatewaySettings(max_body_bytes=100), models=EchoLlama())
    assert error_of(await post(small, SAY | {"user": "x" * 200}), 400)["code"] == "payload_too_large"
    locked = Door(GatewaySettings(api_keys=("a-key-that-is-long-enough",)))
    assert error_of(await post(locked, SAY), 401)["type"] == "authentication_error"
    assert error_of(await post(Door(), SAY, host="evil.example"), 421)["code"] == "wrong_host"
    async with Door().client() as client:
        no_json = await client.post(
            "/v1/chat/completions", content=b"{", headers={"content-type": "application/json"}
        )
        form = await client.post("/v1/chat/completions", data={"model": "llama"})
        xml = await client.post("/v1/chat/completions", content=b"x", headers={"content-type": "text/xml"})
        read = await client.get("/v1/chat/completions")
    assert error_of(no_json, 400)["param"] is None
    assert error_of(form, 403)["type"] == "permission_error"
    assert error_of(xml, 400)["code"] == "unsupported_media"
    assert error_of(read, 405)["code"] == "method_not_allowed"


async def test_an_unexpected_error_has_the_protocols_shape_and_no_words_of_its_own() -> None:
    model = EchoLlama()
    door = Door(models=model)
    door.services.chat = None  # type: ignore[assignment]
    error = error_of(await post(door, SAY), 500)
    assert (error["type"], "NoneType" in error["message"]) == ("server_error", False)


@pytest.mark.parametrize("body", [SAY, SAY | {"return_token_ids": True}, ASK])
async def test_completions_and_chunks_are_as_openapi_describes_them(body: dict[str, Any]) -> None:
    door = Door(models=EchoLlama())
    whole = await post(door, body)
    assert ChatCompletion.model_validate_json(whole.content, strict=True).choices[0].message.content
    streamed = await post(door, body | {"stream": True, "stream_options": {"include_usage": True}})
    chunks = [each.removeprefix("data: ") for each in streamed.text.split("\n\n")[:-2]]
    told = [ChatCompletionChunk.model_validate_json(chunk, strict=True) for chunk in chunks]
    assert [len(each.choices) for each in told] == [1] * (len(told) - 1) + [0]


async def test_the_openapi_description_names_the_fields_and_the_errors() -> None:
    async with Door().client() as client:
        paths = (await client.get("/openapi.json")).json()["paths"]
    chat = paths["/v1/chat/completions"]["post"]
    fields = chat["requestBody"]["content"]["application/json"]["schema"]["properties"]
    assert {"model", "messages", "stream", "stream_options", "temperature", "stop", "trireme"} <= fields.keys()
    assert "$defs" not in str(chat)
    answered = chat["responses"]["200"]["content"]
    assert {"choices", "usage", "trireme"} <= answered["application/json"]["schema"]["properties"].keys()
    assert "delta" in str(answered["text/event-stream"]["schema"])
    assert {"200", "400", "404", "429", "503"} <= chat["responses"].keys()
    assert "input" in str(paths["/v1/embeddings"]["post"]["requestBody"])
