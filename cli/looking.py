"""What would become of a file, before anything is sent: refused, there already, or sent."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

from cli.files import NamedFile
from client.client import TriremeClient
from contracts.api import DocumentView, has_bytes
from contracts.errors import DeadlineExceeded, DependencyDown, InvalidInput, NotFound, Overloaded, TriremeError
from contracts.ids import DEFAULT_TENANT, document_id
from contracts.keys import object_key
from gateway.core.upload import Upload

AGAIN_S = 1.0
AWAY: tuple[type[TriremeError], ...] = (DependencyDown, DeadlineExceeded, Overloaded)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Look:
    """A file beside what is known of its document.

    Args:
        verdict: "refused" with a reason, "unchanged" where the document holds these bytes, else "send".
        view: the document as it is; None where there is none, or nobody asked.
    """

    file: NamedFile
    verdict: Literal["send", "unchanged", "refused"]
    doc_id: str
    view: DocumentView | None = None
    reason: str | None = None


class Looker:
    """Looks at files of one collection.

    Args:
        client: asked for the documents; None asks nobody, and everything is sent.
        timeout_s: how long a gateway that is away or busy is asked again.
    """

    def __init__(self, collection: str, client: TriremeClient | None, *, timeout_s: float) -> None:
        self._collection = collection
        self._client = client
        self._timeout_s = timeout_s

    def look(self, file: NamedFile) -> Look:
        """Judge a file as the doors do, and compare it with its document.

        Raises:
            DependencyDown, DeadlineExceeded, Overloaded: the gateway stayed away, or busy.
        """
        doc_id = document_id(DEFAULT_TENANT, self._collection, file.name)
        try:
            object_key(DEFAULT_TENANT, self._collection, file.name)
            sha256 = self._judged(file)
        except InvalidInput as refusal:
            return Look(file, "refused", doc_id, reason=refusal.message)
        view = self._view(doc_id)
        return Look(file, "unchanged" if has_bytes(view, sha256) else "send", doc_id, view)

    def _judged(self, file: NamedFile) -> str:
        """The SHA-256 of a file that the doors would take."""
        try:
            with file.path.open("rb") as opened:
                sha256 = hashlib.file_digest(opened, "sha256").hexdigest()
                Upload(file.name, opened, opened.tell(), sha256).content_type()
        except OSError as exc:
            raise InvalidInput(f"The file cannot be read ({exc.strerror}).") from exc
        return sha256

    def _view(self, doc_id: str) -> DocumentView | None:
        client = self._client
        if client is None:
            return None
        try:
            return patiently(lambda: client.document(doc_id), self._timeout_s)
        except NotFound:
            return None


def patiently(ask: Callable[[], T], timeout_s: float, *, on: tuple[type[TriremeError], ...] = AWAY) -> T:
    """Ask again while whoever is asked is away or busy, when it says so, for `timeout_s` at most."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            return ask()
        except on as away:
            wait_s = away.retry_after_s if isinstance(away, Overloaded) else AGAIN_S
            if time.monotonic() + wait_s > deadline:
                raise
            time.sleep(wait_s)
