"""The gateway's HTTP API as methods: dataclasses of `contracts.api` in and out, errors of `contracts.errors`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, BinaryIO, Self, TypeVar

import httpx
import msgspec

from client.answers import AnswerEvent, read_events
from client.changes import Changed, read_changes
from client.experiments import ExperimentCalls
from client.problems import error_of, transport_errors
from client.queries import Turn, query_body, question_body
from contracts.api import AnswerRerank, AnswerResponse, DocumentList, DocumentView, SearchResponse
from contracts.errors import BadMessage, DeadlineExceeded, NotFound
from contracts.joint import Weights
from contracts.letters import DeadLetterList, DeadLetterView
from contracts.search import Filter

DEFAULT_TIMEOUT_S = 30.0
DEFAULT_WAIT_S = 30.0
# States in which nothing more happens by itself.
SETTLED = frozenset({"indexed", "failed", "deleted", "expired", "superseded"})
# Any value does: a form on a foreign page cannot send the header at all.
_WRITE = {"X-Requested-With": "trireme"}
_WAIT_STEP_S = 0.2
# The gateway says something every ten seconds.
_SILENCE_S = 35.0
_LETTERS = "/v1/dead-letters"

T = TypeVar("T")


class TriremeClient:
    """Talks to one gateway over kept-open connections. Safe to use from several threads.

    Every method raises errors of `contracts.errors`: what the gateway answered with, `DeadlineExceeded` when it
    took too long, `DependencyDown("gateway")` when it cannot be reached.

    Args:
        url: the gateway's address, such as "http://127.0.0.1:8080".
        api_key: sent with every request, where the gateway wants one.
        transport: another way to carry requests, for tests.
    """

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._timeout_s = timeout_s
        headers = _WRITE | ({"Authorization": f"Bearer {api_key}"} if api_key else {})
        self._http = httpx.Client(
            base_url=url, timeout=timeout_s, transport=transport, headers=headers, trust_env=False
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    @property
    def experiments(self) -> ExperimentCalls:
        """The part of the API about experiments."""
        return ExperimentCalls(self._call)

    def search(
        self,
        query: str | None = None,
        *,
        image: bytes | Sequence[bytes] | None = None,
        k: int = 10,
        weights: Weights | None = None,
        filter: Filter | None = None,
        by_document: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> SearchResponse:
        """Search with words, a picture (a file's bytes) or several, or both.

        Args:
            by_document: `k` counts documents, and each has one hit.
        """
        body = query_body(query, image, k, weights, filter) | ({"group_by": "document"} if by_document else {})
        return self._call(SearchResponse, "POST", "/v1/search", json=body, headers=headers)

    def answer(
        self,
        query: str,
        *,
        image: bytes | None = None,
        k: int | None = None,
        weights: Weights | None = None,
        filter: Filter | None = None,
        rerank: AnswerRerank | None = None,
        conversation: Sequence[Turn] = (),
    ) -> AnswerResponse:
        """An answer with citations, all at once.

        Args:
            k: documents to draw from; None leaves it to the gateway.
            rerank: what orders them before the first are read; None leaves it to the gateway.
            conversation: what was said before, oldest first.
        """
        body = question_body(query, image, k, weights, filter, rerank, conversation)
        return self._call(AnswerResponse, "POST", "/v1/answer", json=body)

    def stream_answer(
        self,
        query: str,
        *,
        image: bytes | None = None,
        k: int | None = None,
        filter: Filter | None = None,
        rerank: AnswerRerank | None = None,
        conversation: Sequence[Turn] = (),
    ) -> Iterator[AnswerEvent]:
        """The same answer piece by piece: documents first, then text as it is written, the whole at the end."""
        body = {**question_body(query, image, k, None, filter, rerank, conversation), "stream": True}
        with (
            transport_errors(),
            self._http.stream(
                "POST", "/v1/answer", json=body, headers={"Accept": "text/event-stream"}
            ) as response,
        ):
            if response.is_error:
                response.read()
                raise error_of(response)
            yield from read_events(response.iter_lines())

    def upload(
        self,
        data: bytes | BinaryIO,
        name: str,
        *,
        collection: str | None = None,
        content_type: str = "application/octet-stream",
        wait: bool = False,
        wait_s: float = DEFAULT_WAIT_S,
    ) -> DocumentView:
        """Hand in a document. The same name in the same collection is a new version of the same document.

        Args:
            data: its bytes, or its file opened, which is then sent piece by piece.
            name: its name within the collection, folders included ("manuals/pump.pdf").
            wait: answer once it is indexed or has failed, or with its state after `wait_s` seconds (at most 120).
        """
        form = {"source_key": name, **({"collection": collection} if collection else {})}
        file_name = name.rsplit("/", 1)[-1] or "file"
        return self._call(
            DocumentView,
            "POST",
            "/v1/documents",
            params={"wait": "indexed", "wait_s": wait_s} if wait else None,
            data=form,
            files={"file": (file_name, data, content_type)},
            timeout=self._timeout_s + (wait_s if wait else 0.0),
        )

    def document(self, doc_id: str) -> DocumentView:
        """State of a document, stage by stage."""
        return self._call(DocumentView, "GET", f"/v1/documents/{doc_id}")

    def documents(
        self,
        *,
        state: str | None = None,
        cursor: str | None = None,
        limit: int = 50,
        collection: str | None = None,
    ) -> DocumentList:
        """One page of documents, newest first; the first page also counts them by state."""
        params = {"state": state, "cursor": cursor, "limit": limit, "collection": collection}
        return self._call(
            DocumentList, "GET", "/v1/documents", params={k: v for k, v in params.items() if v is not None}
        )

    def watch(
        self, *, doc_ids: Sequence[str] = (), collection: str | None = None, since: str | None = None
    ) -> Iterator[Changed]:
        """Documents as they change until the stream ends; a `Changed.mark` is the `since` to go on with."""
        params: dict[str, Any] = {"document": list(doc_ids)} | ({"collection": collection} if collection else {})
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": since} if since else {})
        timeout = httpx.Timeout(self._timeout_s, read=_SILENCE_S)
        with (
            transport_errors(),
            self._http.stream(
                "GET", "/v1/documents/events", params=params, headers=headers, timeout=timeout
            ) as response,
        ):
            if response.is_error:
                response.read()
                raise error_of(response)
            yield from read_changes(response.iter_lines())

    def delete(self, doc_id: str) -> DocumentView:
        """Announce that a document goes; its state is "deleted" once searches no longer find it."""
        return self._call(DocumentView, "DELETE", f"/v1/documents/{doc_id}")

    def dead_letters(self, **wanted: str | int | None) -> DeadLetterList:
        """One page of work that was given up, newest first.

        Args:
            wanted: stage, cause, document, since_ms, until_ms, state, cursor, limit; as the route has them.
        """
        given = {name: value for name, value in wanted.items() if value is not None}
        return self._call(DeadLetterList, "GET", _LETTERS, params=given)

    def dead_letter(self, letter_id: str) -> DeadLetterView:
        """One dead letter, with the record that was given up."""
        return self._call(DeadLetterView, "GET", f"{_LETTERS}/{letter_id}")

    def requeue(self, letter_id: str, *, note: str | None = None) -> DeadLetterView:
        """Have the work of a dead letter done again, with its version."""
        return self._call(DeadLetterView, "POST", f"{_LETTERS}/{letter_id}/requeue", params=_noted(note))

    def discard(self, letter_id: str, *, note: str | None = None) -> DeadLetterView:
        """Set a dead letter aside for good."""
        return self._call(DeadLetterView, "DELETE", f"{_LETTERS}/{letter_id}", params=_noted(note))

    def wait(
        self,
        doc_id: str,
        *,
        states: Sequence[str] | frozenset[str] = SETTLED,
        version: int | None = None,
        timeout_s: float = 60.0,
    ) -> DocumentView:
        """Ask until a document is in one of `states`, at `version` or a later one.

        Raises:
            DeadlineExceeded: it was not within `timeout_s`; says where it stands.
        """
        deadline = time.monotonic() + timeout_s
        stands = "is not known yet"
        while True:
            try:
                view = self.document(doc_id)
                if view.state in states and (version is None or view.version >= version):
                    return view
                stands = f"is still '{view.state}'"
            except NotFound:
                pass
            if time.monotonic() > deadline:
                raise DeadlineExceeded(f"The document {doc_id} {stands} after {timeout_s:.0f} s.")
            time.sleep(_WAIT_STEP_S)

    def get_bytes(self, path: str) -> bytes:
        """What a link in an answer leads to, such as a hit's `thumbnail_url`."""
        return self._request("GET", path).content

    def ready(self) -> Mapping[str, Any]:
        """What the gateway says about itself and its dependencies; `ready` tells whether it can search."""
        with transport_errors():
            response = self._http.get("/readyz")
        return _decode(dict[str, Any], response)

    def _call(self, kind: type[T], method: str, path: str, **request: Any) -> T:
        return _decode(kind, self._request(method, path, **request))

    def _request(self, method: str, path: str, **request: Any) -> httpx.Response:
        with transport_errors():
            response = self._http.request(method, path, **request)
        if response.is_error:
            raise error_of(response)
        return response


def _noted(note: str | None) -> dict[str, str]:
    return {"note": note} if note else {}


def _decode(kind: type[T], response: httpx.Response) -> T:
    try:
        return msgspec.json.decode(response.content, type=kind)
    except msgspec.DecodeError as exc:
        raise BadMessage("The gateway's answer does not have the expected form: other versions?") from exc
