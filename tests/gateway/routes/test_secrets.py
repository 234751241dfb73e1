"""What a gateway writes down: no key, no question, no picture and no link's signature, whatever happens."""

import base64
import json
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from contracts.errors import DependencyDown
from gateway.settings import GatewaySettings
from tests.gateway.door import WRITE, Door
from tests.gateway.keys import bearer, key_file, key_of

QUESTION = "who-is-the-patient-of-room-nine"


@pytest.fixture
def door(tmp_path: Path) -> Door:
    file = key_file(
        tmp_path / "keys.json", all={"scopes": ("read", "write", "operator"), "requests_per_minute": 6}
    )
    return Door(GatewaySettings(api_keys_file=file, link_secret="a-secret-of-links-that-is-long"))


async def test_neither_logs_nor_answers_to_errors_hold_secrets(door: Door) -> None:
    app = door.app()
    told: list[str] = []
    with capture_logs() as logs:
        async with door.client(app) as client:
            for turn in range(8):
                if turn == 2:
                    door.encoder.failing["text"] = DependencyDown("triton")
                if turn == 4:
                    door.encoder.failing["text"] = KeyError("unforeseen")  # type: ignore[assignment]
                body = {"query": f"{QUESTION} {turn}", "weights": {"text_image": 0}}
                response = await client.post("/v1/search", json=body, headers=bearer("all") | WRITE)
                told += [response.text] if response.is_error else []
            wrong = {"Authorization": "Bearer wrong-key"}
            link = "/v1/media/derived/x?expires=9999999999&signature=forged-signature"
            told.append((await client.post("/v1/search", json={"query": QUESTION}, headers=wrong)).text)
            told.append((await client.get(link)).text)
    assert {json.loads(text)["status"] for text in told} == {401, 404, 429, 500, 503}
    assert logs, "the unforeseen error is written down"
    written = "".join(told) + "".join(as_written(entry) for entry in logs)
    for secret in (QUESTION, key_of("all"), "wrong-key", "a-secret-of-links", "forged-signature"):
        assert secret not in written


def as_written(entry: Mapping[str, Any]) -> str:
    """A log line as a process writes it, with its traceback."""
    error = entry.get("exc_info")
    trace = "".join(traceback.format_exception(error)) if isinstance(error, BaseException) else ""
    return f"{entry}{trace}"


@pytest.mark.parametrize(
    "address", ["http://169.254.169.254/latest", "https://127.0.0.1:1/", "file:///etc/passwd"]
)
async def test_no_address_that_a_caller_gives_is_ever_fetched(address: str) -> None:
    """Nothing here opens addresses; a request that brings one is refused before anything is read."""
    door = Door()
    picture = base64.b64encode(b"x").decode()
    async with door.client() as client:
        refusals = [
            await client.post("/v1/search", json={"image": address}),
            await client.post("/v1/search", json={"query": "x", "images": [picture, address]}),
            await client.post("/v1/embeddings", json={"model": "clip_image", "input": address}),
            await client.post(
                "/v1/chat/completions",
                json={
                    "model": "trireme",
                    "messages": [
                        {
                            "role": "user",
                            "content": [
                                {"type": "text", "text": "What is this?"},
                                {"type": "image_url", "image_url": {"url": address}},
                            ],
                        }
                    ],
                },
            ),
        ]
    assert {response.status_code for response in refusals} <= {400, 415, 422}
    assert door.encoder.calls == []
