"""A client of any server that speaks OpenAI's `POST /v1/embeddings`: deadlines, retries, bounds, errors of ours.

Knows nothing of spaces: texts go out as they are, vectors come back as they are.
Source of the protocol: https://platform.openai.com/docs/api-reference/embeddings/create
"""

import asyncio
import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import httpx
import msgspec
import numpy as np
from pydantic import SecretStr

from contracts.errors import (
    ConfigurationError,
    DeadlineExceeded,
    DependencyDown,
    DependencyFailed,
    Overloaded,
    TriremeError,
)
from encoding.batches import Vectors, a_few_at_a_time, slices

Encoding = Literal["base64", "float"]

NAME = "text_api"
_TRIES = 6
_FIRST_WAIT_S = 0.1
_LONGEST_WAIT_S = 2.0
_MAX_WAITING = 256
# A kept connection saves the handshakes of a question that comes a minute later.
_KEEP_ALIVE_S = 120.0


@dataclass(frozen=True, slots=True)
class ApiModel:
    """What is asked of the server.

    Args:
        name: as the server calls the model.
        dimensions: width to ask for; None leaves it to the model, and suits servers that cannot shorten vectors.
        encoding: "base64" carries float32 in a quarter of the bytes; not every server knows it.
        batch: texts in one request, at most.
    """

    name: str
    dimensions: int | None = None
    encoding: Encoding = "base64"
    batch: int = 32


class EmbeddingsApi:
    """Use it inside one event loop; close it at the end.

    Args:
        url: what comes before `/embeddings`, such as "https://api.openai.com/v1".
        key: sent as a bearer token; empty sends none. Never in a log or an error.
        in_flight: requests under way at once; more wait, within their own deadlines.

    Raises:
        ConfigurationError: the URL is none or holds a password, or the key cannot be sent.
    """

    def __init__(self, url: str, key: SecretStr, model: ApiModel, *, in_flight: int = 4) -> None:
        self._client = httpx.AsyncClient(
            base_url=_checked(url),
            headers=_authorisation(key),
            timeout=None,  # every call has a deadline of its own
            limits=httpx.Limits(max_connections=in_flight, keepalive_expiry=_KEEP_ALIVE_S),
        )
        self.model = model
        self._in_flight = in_flight
        self._slots = asyncio.Semaphore(in_flight)
        self._waiting = 0

    async def embed(self, texts: Sequence[str], *, timeout_s: float) -> Vectors:
        """The server's vectors, float32 [n, whatever width it gives].

        Refusals because of load (429), failures (5xx) and broken connections are tried again, after `Retry-After`
        seconds where the server names some, as long as the wait ends before the deadline.

        Args:
            timeout_s: for waiting, all requests and all tries together.

        Raises:
            DependencyDown: the server cannot be reached, or says that it is away (503).
            Overloaded: it refused because of load, or too many callers wait here.
            DeadlineExceeded: no answer in time.
            DependencyFailed: it refused the request or the key, failed, or answered something else than vectors.
        """
        if not texts:
            return np.zeros((0, self.model.dimensions or 0), dtype=np.float32)
        if self._waiting >= _MAX_WAITING:
            raise Overloaded("Too many texts wait for the embeddings API.")
        deadline = asyncio.get_running_loop().time() + timeout_s
        batches = slices(len(texts), self.model.batch)
        parts: dict[int, Vectors] = {}

        async def run(rows: Sequence[int]) -> None:
            async with self._slots:
                parts[rows[0]] = await self._patiently([texts[row] for row in rows], deadline)

        self._waiting += 1
        try:
            async with asyncio.timeout_at(deadline):
                await a_few_at_a_time(run, batches, self._in_flight)
        except TimeoutError as exc:
            raise DeadlineExceeded("The embeddings API did not answer in time.") from exc
        finally:
            self._waiting -= 1
        in_order = [parts[rows[0]] for rows in batches]
        if len({part.shape[1] for part in in_order}) != 1:
            raise DependencyFailed(NAME, "The embeddings API gave vectors of different widths.")
        return np.concatenate(in_order)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _patiently(self, texts: Sequence[str], deadline: float) -> Vectors:
        wait_s = _FIRST_WAIT_S
        tries_left = _TRIES
        while True:
            try:
                return await self._once(texts)
            except _PassingError as passing:
                tries_left -= 1
                pause_s = wait_s if passing.after_s is None else passing.after_s
                if not tries_left or pause_s >= deadline - asyncio.get_running_loop().time():
                    raise passing.error from passing
            await asyncio.sleep(pause_s)
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S)

    async def _once(self, texts: Sequence[str]) -> Vectors:
        body: dict[str, Any] = {
            "model": self.model.name,
            "input": list(texts),
            "encoding_format": self.model.encoding,
        }
        if self.model.dimensions is not None:
            body["dimensions"] = self.model.dimensions
        try:
            response = await self._client.post("embeddings", json=body)
        except httpx.ConnectError as exc:
            raise _down() from exc
        except httpx.HTTPError as exc:
            # A kept connection may have been closed at the other end; a new one will do.
            raise _PassingError(_down()) from exc
        if response.status_code != httpx.codes.OK:
            raise _refusal(response)
        return _vectors(response.content, len(texts))


class _PassingError(Exception):
    """A failure that another try may get over.

    Args:
        error: what callers are told when there is no time for one.
        after_s: how long the server wants to be left alone, where it says so.
    """

    def __init__(self, error: TriremeError, after_s: float | None = None) -> None:
        super().__init__(error.message)
        self.error = error
        self.after_s = after_s


def _down(retry_after_s: float = 2.0) -> DependencyDown:
    return DependencyDown(NAME, "The embeddings API cannot be reached at the moment.", retry_after_s=retry_after_s)


def _refusal(response: httpx.Response) -> Exception:
    status = response.status_code
    after_s = _retry_after_s(response)
    if status == httpx.codes.TOO_MANY_REQUESTS:
        return _PassingError(
            Overloaded("The embeddings API has too much to do.", retry_after_s=after_s or 1.0), after_s
        )
    if status == httpx.codes.SERVICE_UNAVAILABLE:
        return _PassingError(_down(after_s or 2.0), after_s)
    failed = partial(DependencyFailed, NAME)
    if status >= httpx.codes.INTERNAL_SERVER_ERROR:
        return _PassingError(failed(f"The embeddings API failed (status {status})."), after_s)
    if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        return failed(f"The embeddings API refused the key (status {status}).")
    if status == httpx.codes.NOT_FOUND:
        return failed("The embeddings API does not know the model, or is not at this URL (status 404).")
    return failed(f"The embeddings API refused the texts (status {status}).")


def _retry_after_s(response: httpx.Response) -> float | None:
    """Seconds; the header's other form, a date, is left to the usual growing waits."""
    try:
        seconds = float(response.headers.get("retry-after", ""))
    except ValueError:
        return None
    return seconds if 0 <= seconds < float("inf") else None


class _Row(msgspec.Struct):
    index: int
    embedding: str | list[float]


class _Reply(msgspec.Struct):
    data: list[_Row]


def _vectors(body: bytes, n: int) -> Vectors:
    """The vectors of a reply in the order of its texts, float32 [n, width]."""
    malformed = DependencyFailed(NAME, "The embeddings API answered with something else than vectors.")
    try:
        rows = {row.index: _floats(row.embedding) for row in msgspec.json.decode(body, type=_Reply).data}
        vectors = np.stack([rows[index] for index in range(n)])
    except (msgspec.DecodeError, binascii.Error, KeyError, ValueError) as exc:
        raise malformed from exc
    if not np.isfinite(vectors).all() or not vectors.any(axis=1).all():
        raise malformed
    return vectors


def _floats(embedding: str | list[float]) -> Vectors:
    """One vector, whichever of the two encodings the server chose to answer in."""
    if isinstance(embedding, str):
        return np.frombuffer(base64.b64decode(embedding, validate=True), dtype="<f4").astype(np.float32)
    return np.asarray(embedding, dtype=np.float32)


def _authorisation(key: SecretStr) -> dict[str, str]:
    secret = key.get_secret_value().strip()
    if not secret:
        return {}
    if not (secret.isascii() and secret.isprintable()):
        # The HTTP library's own error would show it.
        raise ConfigurationError("The key of the embeddings API holds characters that a header cannot carry.")
    return {"Authorization": f"Bearer {secret}"}


def _checked(url: str) -> str:
    """The URL with a slash at its end, so that paths are put behind it."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as exc:
        raise ConfigurationError("The URL of the embeddings API cannot be read.") from exc
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ConfigurationError("The URL of the embeddings API must begin with http:// or https://.")
    if parsed.userinfo:
        # URLs get into logs and errors of many programs on the way.
        raise ConfigurationError("The URL of the embeddings API holds a password; give the key by itself.")
    return url.rstrip("/") + "/"
