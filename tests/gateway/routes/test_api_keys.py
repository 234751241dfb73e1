import pytest

from gateway.settings import GatewaySettings
from tests.gateway.door import WRITE, Door

KEY = "a-key-that-is-long-enough"
OTHER = "another-key-long-enough"


def locked() -> Door:
    return Door(GatewaySettings(api_keys=(KEY, OTHER)))


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/search"),
        ("POST", "/search"),
        ("POST", "/v1/answer"),
        ("POST", "/v1/documents"),
        ("GET", "/v1/documents"),
        ("GET", "/v1/documents/some-id"),
        ("DELETE", "/v1/documents/some-id"),
        ("GET", "/v1/documents/events"),
        ("GET", "/v1/models"),
        ("POST", "/v1/chat/completions"),
        ("POST", "/v1/embeddings"),
        ("GET", "/metrics"),
        ("GET", "/openapi.json"),
        ("GET", "/docs"),
        ("GET", "/nowhere"),
    ],
)
async def test_with_keys_nothing_is_answered_without_one(method: str, path: str) -> None:
    async with locked().client() as client:
        for header in ({}, {"authorization": "Bearer wrong"}, {"authorization": f"Basic {KEY}"}):
            response = await client.request(method, path, headers=header | WRITE)
            assert response.status_code == 401
            assert response.headers["www-authenticate"] == "Bearer"
            body = response.json()
            assert body.get("error", body)["code"] == "api_key_missing"


@pytest.mark.parametrize("key", [KEY, OTHER])
async def test_any_of_the_keys_opens_the_door(key: str) -> None:
    async with locked().client() as client:
        response = await client.post(
            "/v1/search", json={"query": "bees"}, headers={"authorization": f"Bearer {key}"}
        )
    assert response.status_code == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_probes_need_no_key(path: str) -> None:
    async with locked().client() as client:
        assert (await client.get(path)).status_code == 200


@pytest.mark.parametrize("path", ["/v1/media/derived/a/1/picture-0", "/v1/media/files/default/some-id"])
async def test_signed_links_need_no_key_but_a_signature(path: str) -> None:
    async with locked().client() as client:
        assert (await client.get(path)).status_code == 422
        forged = await client.get(path, params={"expires": 9_999_999_999, "signature": "x"})
        assert forged.status_code == 404


async def test_without_keys_the_door_is_open_on_loopback() -> None:
    async with Door().client() as client:
        assert (await client.post("/v1/search", json={"query": "bees"})).status_code == 200
