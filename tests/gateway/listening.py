"""The gateway's app on a real socket, for clients that bring their own HTTP."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import openai
import uvicorn

from stack.ports import free_ports
from tests.gateway.door import Door

START_TIMEOUT_S = 20.0
RESPONSE_TIMEOUT_S = 20.0


@asynccontextmanager
async def listening(door: Door) -> AsyncIterator[str]:
    """Address of the gateway on a free port."""
    server, url = _server(door)
    serving = asyncio.create_task(server.serve())
    async with asyncio.timeout(START_TIMEOUT_S):
        while not server.started:  # noqa: ASYNC110 - the server has no event for it
            await asyncio.sleep(0.01)
    try:
        yield url
    finally:
        server.should_exit = True
        await serving


@contextmanager
def listening_in_a_thread(door: Door) -> Iterator[str]:
    """The same for callers that know no event loop."""
    server, url = _server(door)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + START_TIMEOUT_S
    while not server.started:
        assert thread.is_alive(), "the gateway ended"
        assert time.monotonic() < deadline, "the gateway does not start"
        time.sleep(0.01)
    try:
        yield url
    finally:
        server.should_exit = True
        thread.join(START_TIMEOUT_S)


def _server(door: Door) -> tuple[uvicorn.Server, str]:
    (port,) = free_ports(1)
    config = uvicorn.Config(door.app(), host="127.0.0.1", port=port, log_level="warning", lifespan="off")
    return uvicorn.Server(config), f"http://127.0.0.1:{port}"


@asynccontextmanager
async def asked_with_openai(door: Door, api_key: str = "none-needed") -> AsyncIterator[openai.AsyncOpenAI]:
    """The client that people use, for this gateway. It tries nothing twice."""
    async with (
        listening(door) as url,
        openai.AsyncOpenAI(
            base_url=f"{url}/v1", api_key=api_key, max_retries=0, timeout=RESPONSE_TIMEOUT_S
        ) as client,
    ):
        yield client
