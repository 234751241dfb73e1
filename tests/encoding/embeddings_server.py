"""A small server of OpenAI's embeddings protocol around any function from texts to vectors. It really computes."""

from __future__ import annotations

import asyncio
import base64
import zlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from aiohttp import web
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
Model = Callable[[Sequence[str]], Vectors]

KEY = "sk-a-key-that-nobody-may-see"


def bag_of_words(dim: int, seed: int = 0) -> Model:
    """A model: the sum of a fixed direction for each word, of no particular length."""

    def word(each: str) -> Vectors:
        return np.random.default_rng([seed, zlib.crc32(each.encode())]).standard_normal(dim).astype(np.float32)

    def embed(texts: Sequence[str]) -> Vectors:
        return np.stack([np.sum([word(each) for each in text.split()], axis=0) for text in texts])

    return embed


@dataclass
class EmbeddingsServer:
    """Answers `POST /v1/embeddings`.

    Args:
        refusals: status and headers of the next answers, before it answers properly.
        speaks: encodings that it knows; it refuses others, or answers in the last one where it is `stubborn`.
        hold: while it is not set, requests wait.
    """

    model: Model
    name: str = "words"
    key: str = KEY
    refusals: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    speaks: tuple[str, ...] = ("float", "base64")
    stubborn: bool = False
    body: bytes | None = None
    hold: asyncio.Event | None = None
    requests: list[dict[str, Any]] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    url: str = ""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[EmbeddingsServer]:
        """Listen on a free port of the loopback address."""
        app = web.Application(client_max_size=64 * 1024**2)
        app.router.add_post("/v1/embeddings", self._answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        try:
            yield self
        finally:
            await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        asked = await request.json()
        self.requests.append(asked)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if self.hold is not None:
                await self.hold.wait()
            await asyncio.sleep(0)
            return self._reply(request, asked)
        finally:
            self.at_once -= 1

    def _reply(self, request: web.Request, asked: dict[str, Any]) -> web.Response:
        if self.refusals:
            status, headers = self.refusals.pop(0)
            return web.json_response({"error": {"message": "no"}}, status=status, headers=headers)
        if request.headers.get("Authorization") != f"Bearer {self.key}":
            return web.json_response({"error": {"message": "who are you?"}}, status=401)
        if asked["model"] != self.name:
            return web.json_response({"error": {"message": "no such model"}}, status=404)
        encoding = asked.get("encoding_format", "float")
        if encoding not in self.speaks:
            if not self.stubborn:
                return web.json_response({"error": {"message": "encoding_format"}}, status=400)
            encoding = self.speaks[-1]
        if self.body is not None:
            return web.Response(body=self.body, content_type="application/json")
        vectors = self.model(asked["input"])
        if (dimensions := asked.get("dimensions")) is not None:
            vectors = vectors[:, :dimensions]
        rows = [
            {"object": "embedding", "index": i, "embedding": _encoded(row, encoding)}
            for i, row in enumerate(vectors)
        ]
        # The protocol numbers the rows; nothing says that they come in order.
        return web.json_response({"object": "list", "model": self.name, "data": rows[::-1]})


def _encoded(row: Vectors, encoding: str) -> str | list[float]:
    if encoding == "base64":
        return base64.b64encode(row.astype("<f4").tobytes()).decode()
    return [float(value) for value in row]
