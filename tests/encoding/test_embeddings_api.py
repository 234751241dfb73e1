"""The client of the embeddings protocol against a real server that computes, refuses, dawdles or is not there."""

import asyncio
import logging
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from pydantic import SecretStr

from contracts.errors import (
    ConfigurationError,
    DeadlineExceeded,
    DependencyDown,
    DependencyFailed,
    Overloaded,
    TriremeError,
)
from encoding.embeddings_api import ApiModel, EmbeddingsApi
from tests.encoding.embeddings_server import KEY, EmbeddingsServer, bag_of_words

DIM = 12
WORDS = bag_of_words(DIM)
TEXTS = [f"text number {i} about pumps" for i in range(23)]


@asynccontextmanager
async def api_of(server: EmbeddingsServer, **asked: Any) -> AsyncIterator[EmbeddingsApi]:
    in_flight = asked.pop("in_flight", 4)
    key = asked.pop("key", KEY)
    async with server.running():
        api = EmbeddingsApi(server.url, SecretStr(key), ApiModel("words", **asked), in_flight=in_flight)
        try:
            yield api
        finally:
            await api.close()


@pytest.mark.parametrize("encoding", ["base64", "float"])
async def test_vectors_come_back_in_the_order_of_their_texts(encoding: Any) -> None:
    server = EmbeddingsServer(WORDS)
    async with api_of(server, encoding=encoding, batch=5) as api:
        vectors = await api.embed(TEXTS, timeout_s=10)
    np.testing.assert_allclose(vectors, WORDS(TEXTS), rtol=1e-6)
    assert {request["encoding_format"] for request in server.requests} == {encoding}
    assert sorted(len(request["input"]) for request in server.requests) == [3, 5, 5, 5, 5]


async def test_a_server_that_ignores_the_encoding_is_understood_all_the_same() -> None:
    async with api_of(EmbeddingsServer(WORDS, speaks=("float",), stubborn=True)) as api:
        np.testing.assert_allclose(await api.embed(TEXTS, timeout_s=10), WORDS(TEXTS), rtol=1e-6)


async def test_a_width_is_asked_for_where_one_is_wanted() -> None:
    async with api_of(EmbeddingsServer(WORDS), dimensions=7) as api:
        np.testing.assert_allclose(await api.embed(TEXTS, timeout_s=10), WORDS(TEXTS)[:, :7], rtol=1e-6)


async def test_no_more_requests_are_under_way_than_was_said() -> None:
    server = EmbeddingsServer(WORDS)
    async with api_of(server, batch=1, in_flight=3) as api:
        await asyncio.gather(*(api.embed(TEXTS[:6], timeout_s=10) for _ in range(3)))
    assert server.most_at_once <= 3
    assert len(server.requests) == 18


@pytest.mark.parametrize(
    "refusals",
    [
        [(429, {"Retry-After": "0.01"})],
        [(500, {}), (502, {"Retry-After": "0"})],
        [(503, {"Retry-After": "Wed, 21 Oct 2065 07:28:00 GMT"})],
    ],
    ids=["busy", "failing twice", "away until a date"],
)
async def test_a_passing_refusal_is_sat_out(refusals: list[tuple[int, dict[str, str]]]) -> None:
    server = EmbeddingsServer(WORDS, refusals=list(refusals))
    async with api_of(server) as api:
        np.testing.assert_allclose(await api.embed(TEXTS, timeout_s=10), WORDS(TEXTS), rtol=1e-6)
    assert len(server.requests) == len(refusals) + 1


async def test_a_wait_beyond_the_deadline_is_not_begun() -> None:
    server = EmbeddingsServer(WORDS, refusals=[(429, {"Retry-After": "30"})])
    async with api_of(server) as api:
        with pytest.raises(Overloaded) as caught:
            await api.embed(TEXTS, timeout_s=5)
    assert caught.value.retry_after_s == 30
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("status", "error"),
    [(429, Overloaded), (503, DependencyDown), (500, DependencyFailed), (504, DependencyFailed)],
)
async def test_a_refusal_that_lasts_is_told_after_some_tries(status: int, error: type[TriremeError]) -> None:
    server = EmbeddingsServer(WORDS, refusals=[(status, {"Retry-After": "0"})] * 20)
    async with api_of(server) as api:
        with pytest.raises(error):
            await api.embed(TEXTS, timeout_s=10)
    assert 1 < len(server.requests) < 20


@pytest.mark.parametrize(
    ("asked", "refusals", "said"),
    [
        ({"key": "sk-wrong"}, [], "refused the key"),
        ({}, [(404, {})], "does not know the model"),
        ({}, [(400, {})], "refused the texts"),
        ({}, [(302, {"Location": "http://127.0.0.1:1/"})], "refused the texts"),
    ],
    ids=["wrong key", "unknown model", "bad request", "sent elsewhere"],
)
async def test_a_refusal_for_good_is_told_at_once(
    asked: dict[str, Any], refusals: list[tuple[int, dict[str, str]]], said: str
) -> None:
    server = EmbeddingsServer(WORDS, refusals=refusals)
    async with api_of(server, **asked) as api:
        with pytest.raises(DependencyFailed, match=said):
            await api.embed(TEXTS, timeout_s=10)
    assert len(server.requests) == 1


async def test_a_server_that_dawdles_is_left_at_the_deadline() -> None:
    server = EmbeddingsServer(WORDS, hold=asyncio.Event())
    async with api_of(server) as api:
        with pytest.raises(DeadlineExceeded):
            await api.embed(TEXTS, timeout_s=0.1)
        assert server.hold is not None
        server.hold.set()
        np.testing.assert_allclose(await api.embed(TEXTS, timeout_s=10), WORDS(TEXTS), rtol=1e-6)


async def test_a_server_that_is_gone_is_down() -> None:
    server = EmbeddingsServer(WORDS)
    async with server.running():
        pass
    api = EmbeddingsApi(server.url, SecretStr(KEY), ApiModel("words"))
    with pytest.raises(DependencyDown):
        await api.embed(TEXTS, timeout_s=10)
    await api.close()


async def test_too_many_callers_are_refused_and_not_queued() -> None:
    server = EmbeddingsServer(WORDS, hold=asyncio.Event())
    async with api_of(server) as api, asyncio.TaskGroup() as tasks:
        waiting = [tasks.create_task(api.embed(["a"], timeout_s=20)) for _ in range(256)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await api.embed(["a"], timeout_s=20)
        assert server.hold is not None
        server.hold.set()
    assert all(task.result().shape == (1, DIM) for task in waiting)


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b"{}",
        b'{"data": []}',
        b'{"data": [{"index": 1, "embedding": [1.0]}]}',
        b'{"data": [{"index": 0, "embedding": "AAA"}]}',
        b'{"data": [{"index": 0, "embedding": [0.0, 0.0]}]}',
        b'{"data": [{"index": 0, "embedding": []}]}',
        b'{"data": [{"index": 0, "embedding": [1e400]}]}',
    ],
)
async def test_an_answer_that_is_no_vector_is_a_failure_of_the_server(body: bytes) -> None:
    async with api_of(EmbeddingsServer(WORDS, body=body)) as api:
        with pytest.raises(DependencyFailed, match="something else than vectors"):
            await api.embed(["a"], timeout_s=10)


async def test_the_key_is_in_no_log_and_no_error(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    told: list[str] = []
    for refusal in (401, 500):
        async with api_of(EmbeddingsServer(WORDS, refusals=[(refusal, {"Retry-After": "99"})])) as api:
            try:
                await api.embed(TEXTS, timeout_s=1)
            except DependencyFailed as exc:
                told += [*traceback.format_exception(exc), repr(api), repr(api.model)]
    assert len(told) > 4
    assert KEY not in "".join(told) + caplog.text


@pytest.mark.parametrize("url", ["", "api.openai.com/v1", "ftp://host/v1", "http://", "http://me:secret@host/v1"])
def test_a_url_that_cannot_be_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        EmbeddingsApi(url, SecretStr(KEY), ApiModel("words"))
    assert "secret" not in caught.value.message


def test_a_key_that_no_header_can_carry_is_refused_without_showing_it() -> None:
    with pytest.raises(ConfigurationError) as caught:
        EmbeddingsApi("http://host/v1", SecretStr("sk-two\nlines"), ApiModel("words"))
    assert "two" not in caught.value.message
