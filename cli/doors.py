"""Two ways for `trireme ingest` to hand files in: to a gateway, or to the store and the log of a stack."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Literal, Protocol, Self, TypeVar

from cli.files import NamedFile
from client.client import TriremeClient
from contracts.api import DocumentView
from contracts.documents import FileAdded
from contracts.errors import InvalidInput, NotFound
from contracts.ids import DEFAULT_TENANT
from contracts.media import HEAD_BYTES, sniff_upload
from runtime.kafka_producer import KafkaProducer
from runtime.log_epoch import read_log_epoch
from runtime.object_store import ObjectMeta, ObjectStore
from runtime.publishing import DocumentPublisher
from runtime.telemetry import new_trace

UNKNOWN_TYPE = "application/octet-stream"

T = TypeVar("T")


class Door(Protocol):
    """Takes files in."""

    def put(self, file: NamedFile) -> tuple[str, int]:
        """Document id and version. Raises what the door refuses with."""
        ...


class TwoWayDoor(Door, Protocol):
    """Takes files in and documents out."""

    def remove(self, view: DocumentView) -> int:
        """The version that removes the document."""
        ...


class GatewayDoor:
    """Uploads to a gateway."""

    def __init__(self, client: TriremeClient, collection: str) -> None:
        self._client = client
        self._collection = collection

    def put(self, file: NamedFile) -> tuple[str, int]:
        """Upload one file."""
        with _opened(file.path) as opened:
            view = self._client.upload(opened, file.name, collection=self._collection)
        return view.doc_id, view.version

    def remove(self, view: DocumentView) -> int:
        """Delete one document."""
        return self._client.delete(view.doc_id).version


class StackDoor:
    """Puts files into a stack's object store and publishes `file_added`, past the gateway.

    Args:
        lane: "bulk" for loads that must not delay people's uploads.
    """

    def __init__(self, kafka: str, objects_url: str, collection: str, lane: Literal["live", "bulk"]) -> None:
        self._collection = collection
        self._lane: Literal["live", "bulk"] = lane
        self._runner = asyncio.Runner()
        self._store = ObjectStore.from_url(objects_url)
        log_epoch = self._runner.run(read_log_epoch(self._store))
        self._producer = KafkaProducer(kafka, "ingest")
        self._publisher = DocumentPublisher(self._store, self._producer, log_epoch)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._producer.close()
        self._runner.close()

    def put(self, file: NamedFile) -> tuple[str, int]:
        """Store and announce one file."""
        with _opened(file.path) as opened:
            head = opened.read(HEAD_BYTES)
            content_type = sniff_upload(head, file.name, complete=len(head) < HEAD_BYTES)
            opened.seek(0)
            return self._runner.run(
                self._publisher.publish(
                    DEFAULT_TENANT,
                    self._collection,
                    file.name,
                    opened,
                    content_type,
                    new_trace(),
                    lane=self._lane,
                )
            )

    def remove(self, view: DocumentView) -> int:
        """Announce that a document goes; its file goes with it."""
        source, collection = view.source or "", view.collection or self._collection
        content_type = view.content_type or UNKNOWN_TYPE
        published = self._runner.run(
            self._publisher.delete(DEFAULT_TENANT, collection, source, content_type, new_trace())
        )
        return published.version

    def announce(self, event: FileAdded) -> tuple[str, int]:
        """Announce what is in the store already, or has left it."""
        return self._runner.run(self._publisher.announce(event, new_trace()))

    def objects(self, prefix: str) -> list[ObjectMeta]:
        """All objects of the store below a prefix."""
        return self._runner.run(_all(self._store.list(prefix)))

    def has_object(self, key: str) -> bool:
        """Whether the store holds an object now."""
        try:
            self._runner.run(self._store.head(key))
        except NotFound:
            return False
        return True


async def _all(items: AsyncIterable[T]) -> list[T]:
    return [item async for item in items]


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as exc:
        raise InvalidInput(f"The file cannot be read ({exc.strerror}).") from exc
