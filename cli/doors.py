"""Two ways for `trireme ingest` to hand files in: to a gateway, or to the store and the log of the stack here."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Literal, Protocol, Self

from cli.files import NamedFile, read_file
from client.client import TriremeClient
from contracts.ids import DEFAULT_TENANT
from contracts.media import sniff_upload
from runtime.kafka_producer import KafkaProducer
from runtime.log_epoch import read_log_epoch
from runtime.object_store import ObjectStore
from runtime.publishing import DocumentPublisher
from runtime.telemetry import new_trace
from stack.state import StackState


class Door(Protocol):
    """Takes files in."""

    def put(self, file: NamedFile) -> tuple[str, int]:
        """Document id and version. Raises what the door refuses with."""
        ...


class GatewayDoor:
    """Uploads to a gateway."""

    def __init__(self, client: TriremeClient, collection: str) -> None:
        self._client = client
        self._collection = collection

    def put(self, file: NamedFile) -> tuple[str, int]:
        """Upload one file."""
        view = self._client.upload(read_file(file.path), file.name, collection=self._collection)
        return view.doc_id, view.version


class StackDoor:
    """Puts files into the object store of the stack running here and publishes `file_added`, past the gateway.

    Args:
        lane: "bulk" for loads that must not delay people's uploads.
    """

    def __init__(self, state: StackState, collection: str, lane: Literal["live", "bulk"]) -> None:
        self._collection = collection
        self._lane: Literal["live", "bulk"] = lane
        self._runner = asyncio.Runner()
        self._producer = KafkaProducer(state.kafka_bootstrap, "ingest")
        store = ObjectStore.from_url(state.object_store_url)
        log_epoch = self._runner.run(read_log_epoch(store))
        self._publisher = DocumentPublisher(store, self._producer, log_epoch)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._producer.close()
        self._runner.close()

    def put(self, file: NamedFile) -> tuple[str, int]:
        """Store and announce one file."""
        data = read_file(file.path)
        published = self._runner.run(
            self._publisher.publish(
                DEFAULT_TENANT,
                self._collection,
                file.name,
                data,
                sniff_upload(data, file.name),
                new_trace(),
                lane=self._lane,
            )
        )
        return published.doc_id, published.version
