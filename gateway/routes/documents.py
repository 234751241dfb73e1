"""POST, GET and DELETE /v1/documents, the list, and the stream of changes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Query, Request, Response
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.datastructures import UploadFile

from contracts.api import DocumentView
from contracts.errors import DeadlineExceeded, InvalidInput
from contracts.ids import DEFAULT_COLLECTION
from contracts.status import DocumentStateName
from gateway.core.status_view import SETTLED
from gateway.routes.context import respond, services_of, tenant_of, trace_of

router = APIRouter(prefix="/v1/documents", tags=["documents"])

_WAIT_S = 30.0
_LONGEST_WAIT_S = 120.0
# The largest file at 1 MB/s.
_ARRIVES_S = 128.0
_PING_S = 15
# Changes of one document are told at most this often; a bulk load would flood the page otherwise.
_NEWS_EVERY_S = 0.2

_UPLOAD_SCHEMA: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "collection": {"type": "string", "default": DEFAULT_COLLECTION},
                        "source_key": {
                            "type": "string",
                            "description": "The document's name; the file's by default.",
                        },
                    },
                }
            }
        },
    }
}


@router.post("", summary="Upload a document", status_code=202, openapi_extra=_UPLOAD_SCHEMA)
async def upload(
    request: Request,
    wait: Annotated[Literal["indexed"] | None, Query(description="Answer when searches find it.")] = None,
    wait_s: Annotated[
        float, Query(gt=0, le=_LONGEST_WAIT_S, description="For so many seconds at most.")
    ] = _WAIT_S,
) -> Response:
    """Takes a PDF, PNG, JPEG, DOCX, Markdown or text file in and answers 202 with its id and state.

    The same name in the same collection is the same document: a second upload is its next version. With
    `wait=indexed` the answer comes once this version is indexed, or has failed, with its `reason` (200), or after
    `wait_s` seconds with the state that it has then (202).
    """
    services = services_of(request)
    tenant = tenant_of(request)
    async with services.documents.upload_turn():
        collection, name, data = await _read_upload(request)
        view = await services.documents.upload(tenant, collection, name, data, trace_of(request))
    if wait is None:
        return respond(view, 202)
    view = await services.documents.settled(tenant, view, timeout_s=wait_s)
    return respond(view, 200 if view.state in SETTLED else 202)


@router.get("", summary="List documents")
async def documents(
    request: Request,
    state: Annotated[DocumentStateName | None, Query(description="Only documents in this state.")] = None,
    cursor: Annotated[str | None, Query(max_length=200, description="`next_cursor` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Response:
    """Documents, the newest first, with the state of each stage."""
    page = await services_of(request).documents.list(tenant_of(request), state=state, cursor=cursor, limit=limit)
    return respond(page)


@router.get("/events", summary="Changes of documents as they happen (SSE)")
async def events(request: Request) -> Response:
    """`document` with a document whenever it changes; `reload` (also the first) when the list is to be read."""
    changes = services_of(request).documents.changes(tenant_of(request), every_s=_NEWS_EVERY_S)
    first = await anext(changes)  # Refused here, while the answer can still be a 429.

    async def stream() -> AsyncIterator[ServerSentEvent]:
        async with aclosing(changes):
            yield _news(first)
            async for view in changes:
                yield _news(view)

    return EventSourceResponse(stream(), ping=_PING_S)


@router.get("/{doc_id}", summary="A document's state")
async def document(request: Request, doc_id: str) -> Response:
    """State of the newest version, each stage, and which version searches find."""
    return respond(await services_of(request).documents.get(tenant_of(request), doc_id))


@router.delete("/{doc_id}", summary="Delete a document", status_code=202)
async def delete(request: Request, doc_id: str) -> Response:
    """Announces the delete; `state` becomes "deleted" once searches no longer find the document."""
    view = await services_of(request).documents.delete(tenant_of(request), doc_id, trace_of(request))
    return respond(view, 202)


async def _read_upload(request: Request) -> tuple[str, str, bytes]:
    """Collection, name and bytes of the file in a form. A caller that stalls gives its turn up.

    Raises:
        InvalidInput: there is no file. DeadlineExceeded: it did not arrive in time.
    """
    try:
        async with asyncio.timeout(_ARRIVES_S), request.form(max_files=1, max_fields=8) as form:
            file = form.get("file")
            if not isinstance(file, UploadFile):
                raise InvalidInput("The field 'file' with the document's bytes is missing.")
            collection = _text(form.get("collection")) or DEFAULT_COLLECTION
            name = _text(form.get("source_key")) or (file.filename or "").replace("\\", "/").rsplit("/", 1)[-1]
            return collection, name, await file.read()
    except TimeoutError as exc:
        raise DeadlineExceeded(f"The file did not arrive within {_ARRIVES_S:.0f} seconds.") from exc


def _news(view: DocumentView | None) -> ServerSentEvent:
    if view is None:
        return ServerSentEvent(event="reload", data="{}")
    return ServerSentEvent(event="document", data=msgspec.json.encode(view).decode())


def _text(value: object) -> str | None:
    return value.strip() if isinstance(value, str) and value.strip() else None
