"""The object store by URL: a local directory or S3. Keys are those of `contracts.keys`; nothing else is reachable.

Calls run obstore's blocking functions in threads: its asyncio variants aborted the interpreter at exit
(obstore 0.12.1 with Python 3.11, seen when the last call raised).
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO, TypeVar
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, NotFoundError, PreconditionError
from obstore.store import LocalStore, from_url

from contracts.errors import ConfigurationError, Conflict, DependencyDown, NotFound, Superseded
from runtime.hashed_reading import PART_BYTES, HashedReading

T = TypeVar("T")

_CALL_TIMEOUT_S = 30.0
# obstore's own: ten tries in three minutes, each of which would hold a thread long after its caller has gone.
# These wait 0.1 s, 0.2 s and so on: a store that says SlowDown gets three seconds to recover.
_S3_RETRIES: Any = {"max_retries": 5, "retry_timeout": timedelta(seconds=10)}
_SLOWEST_BYTES_PER_S = 1024**2
_PARTS_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class ObjectMeta:
    """What a listing or a head says of an object.

    Args:
        attributes: its content type ("Content-Type") and what a put added. Only `head` tells them, and a local
            directory keeps none.
    """

    key: str
    size_bytes: int
    etag: str | None
    modified_ms: int
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StoredBytes:
    """What was stored: exactly these bytes, under this etag."""

    size_bytes: int
    etag: str | None
    sha256: str


class ObjectStore:
    """Objects by key. Puts replace atomically; readers see the old object or the new one, never a mixture.

    Args:
        keeps_attributes: whether the store can hold more about an object than its bytes.
    """

    def __init__(self, store: Any, *, timeout_s: float = _CALL_TIMEOUT_S, keeps_attributes: bool = False) -> None:
        self._store = store
        self._timeout_s = timeout_s
        self._keeps_attributes = keeps_attributes

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
                return cls(from_url(url, retry_config=_S3_RETRIES), keeps_attributes=True)
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

    async def create(self, key: str, data: bytes) -> str | None:
        """Write an object that must not exist yet, in one step, and return its etag.

        Raises:
            Conflict: it exists; it was left as it is.
        """
        try:
            result = await self._call(lambda: obstore.put(self._store, key, data, mode="create"))
        except AlreadyExistsError as exc:
            raise Conflict("The object exists already.") from exc
        return result["e_tag"]

    async def put_stream(
        self, key: str, file: BinaryIO, *, attributes: Mapping[str, str] | None = None
    ) -> StoredBytes:
        """Write what a file holds from here to its end; in parts when large, so that memory stays bounded.

        Side effects: reads `file` in another thread. When it fails, the parts that were sent are taken back.

        Args:
            attributes: see `ObjectMeta`.
        """
        reading = HashedReading(file)
        options: Any = {"attributes": dict(attributes)} if attributes and self._keeps_attributes else {}

        def put() -> StoredBytes:
            first = reading.first()
            source: Any = reading if reading.has_more else first
            result = obstore.put(
                self._store, key, source, chunk_size=PART_BYTES, max_concurrency=_PARTS_AT_ONCE, **options
            )
            return StoredBytes(reading.size_bytes, result["e_tag"], reading.sha256)

        try:
            timeout_s = self._timeout_s + _bytes_left(file) / _SLOWEST_BYTES_PER_S
            return await self._call(put, timeout_s=timeout_s)
        finally:
            # Nobody waits for the thread any more after a timeout; it shall not complete what was given up.
            reading.stop()

    async def head(self, key: str) -> ObjectMeta:
        """Size, etag, time and attributes of an object.

        Raises:
            NotFound: no such object.
        """
        found = await self._call(lambda: obstore.get(self._store, key, options={"head": True}))
        return _meta(found.meta, found.attributes)

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

    async def _call(self, work: Callable[[], T], *, timeout_s: float | None = None) -> T:
        try:
            async with asyncio.timeout(timeout_s or self._timeout_s):
                return await asyncio.to_thread(work)
        except AlreadyExistsError:
            raise
        except (NotFoundError, FileNotFoundError) as exc:
            raise NotFound("The object is not in the store.") from exc
        except PreconditionError as exc:
            raise Superseded(
                "The file was replaced after it was announced; the newer version is on its way."
            ) from exc
        except (BaseError, OSError, TimeoutError) as exc:
            raise DependencyDown("object_store") from exc


def _bytes_left(file: BinaryIO) -> int:
    here = file.tell()
    end = file.seek(0, os.SEEK_END)
    file.seek(here)
    return end - here


def _meta(entry: Any, attributes: Any = None) -> ObjectMeta:
    return ObjectMeta(
        key=entry["path"],
        size_bytes=entry["size"],
        etag=entry["e_tag"],
        modified_ms=int(entry["last_modified"].timestamp() * 1000),
        attributes=attributes or {},
    )
