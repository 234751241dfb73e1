"""Requests and tokens of a key, counted over the whole app."""

from pathlib import Path

import pytest

from gateway.settings import GatewaySettings
from tests.gateway.door import Door
from tests.gateway.keys import bearer, key_file


@pytest.fixture
def door(tmp_path: Path) -> Door:
    file = key_file(
        tmp_path / "keys.json", few={"requests_per_minute": 2}, short={"tokens_per_minute": 6}, free={}
    )
    return Door(GatewaySettings(api_keys_file=file))


async def test_more_requests_than_a_key_may_make_are_429_with_retry_after(door: Door) -> None:
    async with door.client() as client:
        asked = [await client.get("/v1/documents", headers=bearer("few")) for _ in range(3)]
        assert [response.status_code for response in asked] == [200, 200, 429]
        refused = asked[-1]
        assert (refused.json()["code"], refused.headers["content-type"]) == (
            "overloaded",
            "application/problem+json",
        )
        assert 1 <= int(refused.headers["retry-after"]) <= 30
        assert (await client.get("/v1/documents", headers=bearer("free"))).status_code == 200
        assert (await client.get("/healthz", headers=bearer("few"))).status_code == 200
        models = await client.get("/v1/models", headers=bearer("few"))
    assert (models.status_code, models.json()["error"]["type"]) == (429, "rate_limit_error")


async def test_tokens_are_counted_when_they_were_used_and_refuse_the_next_request(door: Door) -> None:
    body = {"model": "text_encoder", "input": ["one two three four five", "six seven eight"]}
    async with door.client() as client:
        asked = [await client.post("/v1/embeddings", json=body, headers=bearer("short")) for _ in range(2)]
    assert [response.status_code for response in asked] == [200, 429]
