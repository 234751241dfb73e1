"""The object store by URL: a local directory or S3. Keys are those of `contracts.keys`; nothing else is reachable.

Calls run obstore's blocking functions in threads: its asyncio variants aborted the interpreter at exit
(obstore 0.12.1 with Python 3.11, seen when the last call raised).
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError, NotFoundError, PreconditionError
from obstore.store import LocalStore, from_url

from contracts.errors import ConfigurationError, DependencyDown, NotFound, Superseded

T = TypeVar("T")

_CALL_TIMEOUT_S = 30.0
# obstore's own: ten tries in three minutes, each of which would hold a thread long after its caller has gone.
_S3_RETRIES: Any = {"max_retries": 2, "retry_timeout": timedelta(seconds=10)}


@dataclass(frozen=True, slots=True)
class ObjectMeta:
    """What a listing or a head says of an object."""

    key: str
    size_bytes: int
    etag: str | None
    modified_ms: int


class ObjectStore:
    """Objects by key. Puts replace atomically; readers see the old object or the new one, never a mixture."""

    def __init__(self, store: Any, *, timeout_s: float = _CALL_TIMEOUT_S) -> None:
        self._store = store
        self._timeout_s = timeout_s

    @classmethod
    def from_url(cls, url: str) -> "ObjectStore":
        """Open "file:///directory" (made when absent) or "s3://bucket/prefix" (AWS_* variables apply).

        Raises:
            ConfigurationError: another kind of URL.
        """
        parts = urlsplit(url)
        if parts.scheme == "file" and parts.path:
            Path(parts.path).mkdir(parents=True, exist_ok=True)
            return cls(LocalStore(parts.path))
        if parts.scheme == "s3":
            try:
                # No client options: they would replace those that the AWS_* variables give (AWS_ALLOW_HTTP).
                return cls(from_url(url, retry_config=_S3_RETRIES))
            except BaseError as exc:
                raise ConfigurationError("The S3 object store cannot be opened with these settings.") from exc
        raise ConfigurationError("The object store must be given as file:///directory or s3://bucket/prefix.")

    async def get(self, key: str, *, if_match: str | None = None) -> bytes:
        """An object's bytes.

        Raises:
            NotFound: no such object.
            Superseded: the object's etag is no longer `if_match`.
            DependencyDown: the store does not answer.
        """
        options: Any = {"if_match": if_match} if if_match else None
        return await self._call(lambda: bytes(obstore.get(self._store, key, options=options).bytes()))

    async def put(self, key: str, data: bytes) -> str | None:
        """Write an object and return its etag."""
        result = await self._call(lambda: obstore.put(self._store, key, data))
        return result["e_tag"]

    async def put_file(self, key: str, path: Path) -> str | None:
        """Write a file's bytes (in parts when large) and return the object's etag."""
        result = await self._call(lambda: obstore.put(self._store, key, path))
        return result["e_tag"]

    async def head(self, key: str) -> ObjectMeta:
        """Size, etag and time of an object.

        Raises:
            NotFound: no such object.
        """
        return _meta(await self._call(lambda: obstore.head(self._store, key)))

    async def delete(self, key: str) -> None:
        """Remove an object; one that is not there is removed already."""
        try:
            await self._call(lambda: obstore.delete(self._store, key))
        except NotFound:
            return

    async def list(self, prefix: str) -> AsyncIterator[ObjectMeta]:
        """All objects whose key begins with `prefix` (whole path segments), in batches behind the scenes."""
        stream = iter(obstore.list(self._store, prefix.rstrip("/"), chunk_size=1000))
        while True:
            batch = await self._call(lambda: next(stream, None))
            if batch is None:
                return
            for entry in batch:
                yield _meta(entry)

    async def _call(self, work: Callable[[], T]) -> T:
        try:
            async with asyncio.timeout(self._timeout_s):
                return await asyncio.to_thread(work)
        except (NotFoundError, FileNotFoundError) as exc:
            raise NotFound("The object is not in the store.") from exc
        except PreconditionError as exc:
            raise Superseded(
                "The file was replaced after it was announced; the newer version is on its way."
            ) from exc
        except (BaseError, OSError, TimeoutError) as exc:
            raise DependencyDown("object_store") from exc


def _meta(entry: Any) -> ObjectMeta:
    return ObjectMeta(
        key=entry["path"],
        size_bytes=entry["size"],
        etag=entry["e_tag"],
        modified_ms=int(entry["last_modified"].timestamp() * 1000),
    )
