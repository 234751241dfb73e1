"""The gateway's HTTP API as methods: dataclasses of `contracts.api` in and out, errors of `contracts.errors`."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
import msgspec

from client.answers import AnswerEvent, read_events
from client.problems import error_of, transport_errors
from contracts.api import AnswerResponse, DocumentList, DocumentView, SearchResponse
from contracts.errors import BadMessage, DeadlineExceeded, NotFound
from contracts.joint import Weights
from contracts.search import Filter

DEFAULT_TIMEOUT_S = 30.0
DEFAULT_WAIT_S = 30.0
# States in which nothing more happens by itself.
SETTLED = frozenset({"indexed", "failed", "deleted", "expired", "superseded"})
# Any value does: a form on a foreign page cannot send the header at all.
_WRITE = {"X-Requested-With": "trireme"}
_WAIT_STEP_S = 0.2

T = TypeVar("T")


class TriremeClient:
    """Talks to one gateway over kept-open connections. Safe to use from several threads.

    Every method raises errors of `contracts.errors`: what the gateway answered with, `DeadlineExceeded` when it
    took too long, `DependencyDown("gateway")` when it cannot be reached.

    Args:
        url: the gateway's address, such as "http://127.0.0.1:8080".
        transport: another way to carry requests, for tests.
    """

    def __init__(
        self, url: str, *, timeout_s: float = DEFAULT_TIMEOUT_S, transport: httpx.BaseTransport | None = None
    ) -> None:
        self._timeout_s = timeout_s
        self._http = httpx.Client(
            base_url=url, timeout=timeout_s, transport=transport, headers=_WRITE, trust_env=False
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

    def search(
        self,
        query: str | None = None,
        *,
        image: bytes | None = None,
        k: int = 10,
        weights: Weights | None = None,
        filter: Filter | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> SearchResponse:
        """Search with words, a picture (a file's bytes), or both."""
        body = _query(query, image, k, weights, filter)
        return self._call(SearchResponse, "POST", "/v1/search", json=body, headers=headers)

    def answer(
        self,
        query: str,
        *,
        image: bytes | None = None,
        k: int = 10,
        weights: Weights | None = None,
        filter: Filter | None = None,
    ) -> AnswerResponse:
        """An answer with citations, all at once."""
        return self._call(AnswerResponse, "POST", "/v1/answer", json=_query(query, image, k, weights, filter))

    def stream_answer(self, query: str, *, image: bytes | None = None, k: int = 10) -> Iterator[AnswerEvent]:
        """The same answer piece by piece: documents first, then text as it is written, the whole at the end."""
        body = {**_query(query, image, k, None, None), "stream": True}
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
        data: bytes,
        name: str,
        *,
        collection: str | None = None,
        content_type: str = "application/octet-stream",
        wait: bool = False,
        wait_s: float = DEFAULT_WAIT_S,
    ) -> DocumentView:
        """Hand in a document. The same name in the same collection is a new version of the same document.

        Args:
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

    def documents(self, *, state: str | None = None, cursor: str | None = None, limit: int = 50) -> DocumentList:
        """One page of documents, newest first."""
        params = {"state": state, "cursor": cursor, "limit": limit}
        return self._call(
            DocumentList, "GET", "/v1/documents", params={k: v for k, v in params.items() if v is not None}
        )

    def delete(self, doc_id: str) -> DocumentView:
        """Announce that a document goes; its state is "deleted" once searches no longer find it."""
        return self._call(DocumentView, "DELETE", f"/v1/documents/{doc_id}")

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


def _query(
    query: str | None, image: bytes | None, k: int, weights: Weights | None, filter: Filter | None
) -> dict[str, Any]:
    body: dict[str, Any] = {"k": k}
    if query is not None:
        body["query"] = query
    if image is not None:
        body["image"] = base64.b64encode(image).decode()
    if weights is not None:
        body["weights"] = msgspec.to_builtins(weights)
    if filter is not None:
        body["filter"] = {k: v for k, v in msgspec.to_builtins(filter).items() if v is not None}
    return body


def _decode(kind: type[T], response: httpx.Response) -> T:
    try:
        return msgspec.json.decode(response.content, type=kind)
    except msgspec.DecodeError as exc:
        raise BadMessage("The gateway's answer does not have the expected form: other versions?") from exc
