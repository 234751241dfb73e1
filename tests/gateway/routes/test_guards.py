"""What every request passes before it reaches a route."""

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import Request, Response

from contracts import errors
from gateway.routes.problems import STATUS, problem_of, status_of
from gateway.settings import GatewaySettings
from tests.gateway.door import WRITE, Door


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8080", "localhost", "LOCALHOST:1"])
async def test_our_own_names_are_answered(host: str) -> None:
    async with Door().client() as client:
        assert (await client.get("/healthz", headers={"host": host})).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "", "[::1]:8080", "localhost.", "x@127.0.0.1"]
)
async def test_a_foreign_host_header_is_refused(host: str) -> None:
    async with Door().client() as client:
        response = await client.get("/healthz", headers={"host": host})
    assert response.status_code == 421
    assert response.json()["code"] == "wrong_host"


@pytest.mark.parametrize(
    "content_type", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain", None]
)
async def test_a_post_that_a_foreign_form_could_send_is_refused(content_type: str | None) -> None:
    headers = {"content-type": content_type} if content_type else {}
    async with Door().client() as client:
        for path in ("/v1/search", "/v1/documents", "/v1/answer", "/v1/chat/completions", "/v1/embeddings"):
            response = await client.post(path, content=b"x", headers=headers)
            assert response.status_code == 403
            assert "X-Requested-With" in response.text


async def test_the_header_that_a_form_cannot_send_lets_an_upload_in() -> None:
    async with Door().client() as client:
        response = await client.post("/v1/documents", files={"file": ("a.txt", b"hello")}, headers=WRITE)
    assert response.status_code == 202, response.text


async def test_every_response_has_a_trace_and_security_headers_and_no_cors() -> None:
    async with Door().client() as client:
        for response in (
            await client.get("/healthz"),
            await client.get("/nowhere"),
            await client.post("/v1/search", json={}),
            await client.get("/healthz", headers={"host": "evil.example"}),
        ):
            assert len(response.headers["x-trace-id"]) == 32
            assert response.headers["x-content-type-options"] == "nosniff"
            assert response.headers["x-frame-options"] == "DENY"
            assert response.headers["referrer-policy"] == "no-referrer"
            assert "object-src 'none'" in response.headers["content-security-policy"]
            assert "access-control-allow-origin" not in response.headers


async def test_a_preflight_of_another_origin_is_not_answered_with_permission() -> None:
    headers = {"origin": "https://evil.example", "access-control-request-method": "POST"}
    async with Door().client() as client:
        response = await client.options("/v1/search", headers=headers)
    assert response.status_code == 405
    assert "access-control-allow-origin" not in response.headers


async def test_a_body_that_announces_too_much_is_refused_unread() -> None:
    door = Door(GatewaySettings(max_body_bytes=1000))
    read = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal read
        for _ in range(100):
            read += 1
            yield b"x" * 100

    headers = {"content-length": "10000", "content-type": "application/json"}
    async with door.client() as client:
        response = await client.post("/v1/search", content=body(), headers=headers)
    assert response.status_code == 413
    assert response.json()["code"] == "payload_too_large"
    assert read == 0


@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data; boundary=abc"])
async def test_reading_stops_at_the_limit_whatever_was_announced(content_type: str) -> None:
    door = Door(GatewaySettings(max_body_bytes=1000))
    sent = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal sent
        yield b'--abc\r\nContent-Disposition: form-data; name="query"\r\n\r\n'
        for _ in range(1000):
            sent += 100
            yield b"x" * 100

    async with door.client() as client:
        response = await client.post("/v1/search", content=body(), headers={"content-type": content_type} | WRITE)
    assert response.status_code == 413
    assert sent <= 2000
    assert response.json()["trace_id"] == response.headers["x-trace-id"]


async def test_a_body_that_the_framework_itself_reads_ends_at_the_limit_too() -> None:
    door = Door(GatewaySettings(max_body_bytes=1000))
    app = door.app()

    @app.post("/parsed")
    async def parsed(body: dict[str, str]) -> Response:
        return Response(status_code=204)

    async def body() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" " * 100

    async with door.client(app) as client:
        response = await client.post("/parsed", content=body(), headers={"content-type": "application/json"})
    assert response.status_code == 413
    assert response.json()["code"] == "payload_too_large"


async def test_uploads_may_be_larger_than_other_bodies() -> None:
    door = Door(GatewaySettings(max_body_bytes=1000, max_upload_bytes=100_000))
    async with door.client() as client:
        good = await client.post("/v1/documents", files={"file": ("a.txt", b"x" * 50_000)}, headers=WRITE)
        bad = await client.post("/v1/documents", files={"file": ("a.txt", b"x" * 150_000)}, headers=WRITE)
    assert good.status_code == 202, good.text
    assert bad.status_code == 413


async def test_an_address_that_is_not_there_is_404_and_a_wrong_method_405() -> None:
    async with Door().client() as client:
        missing, method = await client.get("/v1/nothing"), await client.get("/v1/search")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
    assert (method.status_code, method.json()["code"]) == (405, "method_not_allowed")
    assert method.headers["allow"] == "POST"


ERRORS = [
    (errors.InvalidInput("Bad."), 422),
    (errors.NotFound("None."), 404),
    (errors.Conflict("Other."), 409),
    (errors.PayloadTooLarge("Big."), 413),
    (errors.UnsupportedMedia("Odd."), 415),
    (errors.Overloaded("Full.", retry_after_s=2.2), 429),
    (errors.DependencyFailed("triton"), 502),
    (errors.DependencyDown("kafka"), 503),
    (errors.DeadlineExceeded("Late."), 504),
    (errors.DocumentFailed("corrupt", "Damaged."), 422),
    (errors.BadMessage("Internal detail."), 500),
    (errors.SpaceMismatch("Internal detail."), 500),
]


@pytest.mark.parametrize(("error", "status"), ERRORS)
async def test_every_error_of_ours_has_its_status(error: errors.TriremeError, status: int) -> None:
    door = Door()
    app = door.app()

    @app.get("/fails")
    async def fails(request: Request) -> Response:
        raise error

    async with door.client(app) as client:
        response = await client.get("/fails")
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert ("retry-after" in response.headers) == (status in {429, 503, 504})
    if status == 429:
        assert response.headers["retry-after"] == "3"
    if status == 500:
        assert "Internal detail" not in response.text
        assert response.json()["code"] == "internal"
    else:
        assert response.json()["detail"] == error.message


def test_no_kind_of_error_is_forgotten() -> None:
    def kinds(kind: type[errors.TriremeError]) -> set[type[errors.TriremeError]]:
        return {kind}.union(*(kinds(sub) for sub in kind.__subclasses__() if sub.__module__ == "contracts.errors"))

    internal = {errors.TriremeError, errors.BadMessage, errors.SpaceMismatch, errors.ConfigurationError}
    assert kinds(errors.TriremeError) - internal == set(STATUS)


def test_a_special_error_counts_before_its_general_one() -> None:
    assert status_of(errors.NotFound("x")) == 404
    assert problem_of(errors.NotFound("There is none."), {"type": "http", "path": "/"}).status_code == 404


async def test_an_unexpected_error_anywhere_is_a_problem_with_trace_and_no_words_of_its_own() -> None:
    door = Door()
    app = door.app()

    @app.get("/breaks")
    async def breaks(request: Request) -> Response:
        raise RuntimeError("secret")

    async with door.client(app) as client:
        response = await client.get("/breaks")
    assert response.status_code == 500
    assert response.json()["trace_id"] == response.headers["x-trace-id"]
    assert "secret" not in response.text
    assert response.headers["x-frame-options"] == "DENY"


@pytest.mark.parametrize("path", ["/v1/documents/x", "/v1/models/x", "/breaks-no-series/123"])
async def test_metrics_name_routes_and_never_paths(path: str) -> None:
    door = Door()
    async with door.client() as client:
        await client.get(path)
        text = (await client.get("/metrics")).text
    lines = [line for line in text.splitlines() if line.startswith("trireme_http_requests_total")]
    assert lines
    assert not any(path in line for line in lines)


async def test_readiness_is_503_with_the_part_that_is_missing() -> None:
    door = Door()
    async with door.client() as client:
        ready = await client.get("/readyz")
        door.ready = False
        not_ready = await client.get("/readyz")
    assert (ready.status_code, ready.json()["ready"]) == (200, True)
    assert (not_ready.status_code, not_ready.json()) == (503, {"ready": False, "kafka": False})


async def test_models_are_listed_as_the_openai_protocol_has_it() -> None:
    async with Door().client() as client:
        listed = (await client.get("/v1/models")).json()
        one = await client.get("/v1/models/text_encoder")
        none = await client.get("/v1/models/nothing")
    assert listed["object"] == "list"
    assert {card["id"] for card in listed["data"]} == {"text_encoder", "trireme"}
    assert all(card["object"] == "model" and card["owned_by"] == "trireme" for card in listed["data"])
    assert one.json()["id"] == "text_encoder"
    assert none.status_code == 404


async def test_the_openapi_description_names_both_bodies_and_the_write_header() -> None:
    async with Door().client() as client:
        response = await client.get("/openapi.json")
    search = response.json()["paths"]["/v1/search"]["post"]
    assert set(search["requestBody"]["content"]) == {"application/json", "multipart/form-data"}
    schema = search["requestBody"]["content"]["application/json"]["schema"]
    assert "text_image" in str(schema)
    assert "$defs" not in str(schema)
    assert [p["name"] for p in search["parameters"]] == ["X-Requested-With"]
    assert "/search" not in response.json()["paths"]
    assert isinstance(response, httpx.Response)
