"""`POST /v1/answer` with the language model on a real Triton, over a real socket."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager

import httpx
import pytest
import uvicorn

from stack.ports import free_ports
from tests.deploy.genai.conftest import ENDLESS, RESPONSE_TIMEOUT_S, SLOTS, Llama
from tests.gateway.door import Door

pytestmark = pytest.mark.integration

QUESTION = {"question": "a violin has how many strings", "stream": True}


@asynccontextmanager
async def listening(door: Door) -> AsyncIterator[httpx.AsyncClient]:
    """The gateway's app on a free port, and a client for it."""
    (port,) = free_ports(1)
    config = uvicorn.Config(door.app(), host="127.0.0.1", port=port, log_level="warning", lifespan="off")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    async with asyncio.timeout(RESPONSE_TIMEOUT_S):
        while not server.started:  # noqa: ASYNC110 - the server has no event for it
            await asyncio.sleep(0.01)
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=RESPONSE_TIMEOUT_S) as client:
            yield client
    finally:
        server.should_exit = True
        await serving


async def test_an_answer_streams_from_the_language_model(llama: Llama) -> None:
    door = Door(models=llama.client, max_new_tokens=40)
    async with listening(door) as client:
        response = await client.post("/v1/answer", json=QUESTION)
        whole = (await client.post("/v1/answer", json=QUESTION | {"stream": False})).json()
    blocks = [
        dict(line.split(": ", 1) for line in block.splitlines() if ": " in line) for block in split(response)
    ]
    events = [(block["event"], json.loads(block["data"])) for block in blocks if "event" in block]
    deltas = [data["text"] for name, data in events if name == "delta"]
    assert (events[0][0], events[0][1]["generator"]) == ("documents", "llama")
    assert len(deltas) > 5
    # Seeded weights write nonsense, the same each time, and cite nothing.
    assert "".join(deltas).strip() == whole["answer"].strip()
    assert (whole["generator"], whole["degraded"], whole["found"]) == ("llama", False, False)
    assert whole["documents"]


def split(response: httpx.Response) -> list[str]:
    assert response.headers["content-type"].startswith("text/event-stream")
    return response.text.replace("\r\n", "\n").split("\n\n")


@pytest.mark.parametrize("streamed", [True, False])
async def test_when_the_reader_of_an_answer_leaves_its_slot_is_free(llama: Llama, streamed: bool) -> None:
    async with AsyncExitStack() as left_open:
        for _ in range(SLOTS - 1):
            holder = llama.stream(prompt="Bees", max_tokens=ENDLESS)
            await left_open.enter_async_context(aclosing(holder))
            await anext(holder)
        client = await left_open.enter_async_context(listening(Door(models=llama.client, max_new_tokens=ENDLESS)))
        asking = asyncio.create_task(read_until_cancelled(client, QUESTION | {"stream": streamed}))
        async with asyncio.timeout(RESPONSE_TIMEOUT_S):
            # All slots are taken when another request gets no word while a holder writes a hundred.
            while True:
                waiting = asyncio.create_task(llama.whole(prompt="Bees", max_tokens=1))
                for _ in range(100):
                    await anext(holder)
                if not waiting.done():
                    break
            asking.cancel()
            await waiting
        # The holders still write: it was the answer's slot.
        assert bytes((await anext(holder))["finish_reason"][0]) == b""


async def read_until_cancelled(client: httpx.AsyncClient, body: dict[str, object]) -> None:
    async with client.stream("POST", "/v1/answer", json=body) as response:
        async for _ in response.aiter_bytes():
            pass
