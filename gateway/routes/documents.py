"""POST, GET and DELETE /v1/documents, the list, and the stream of changes."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Query, Request, Response
from sse_starlette import ServerSentEvent

from contracts.api import DocumentList, DocumentView
from contracts.errors import NotFound
from contracts.ids import DEFAULT_COLLECTION
from contracts.status import DocumentStateName
from gateway.core.status_view import SETTLED
from gateway.flows.document_changes import Change, WantedChanges
from gateway.routes.callers import Ahead, EventStream
from gateway.routes.context import caller_of, respond, services_of, tenant_of, trace_of
from gateway.routes.upload_form import upload_form

router = APIRouter(prefix="/v1/documents", tags=["documents"])

_WAIT_S = 30.0
_LONGEST_WAIT_S = 120.0
# The largest file at 1 MB/s.
_ARRIVES_S = 128.0
_RETRY_MS = 1000
_FIRST_WITHIN_S = 0.5
# A reader who takes nothing for so long has gone.
_SEND_TIMEOUT_S = 30.0
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
                        "file": {
                            "description": "The document; repeat the field for several.",
                            "type": "array",
                            "items": {"type": "string", "format": "binary"},
                        },
                        "collection": {"type": "string", "default": DEFAULT_COLLECTION},
                        "readers": {
                            "type": "string",
                            "description": "Groups whose keys may see it, separated by commas; all by default.",
                        },
                        "source_key": {
                            "type": "string",
                            "description": "The document's name, folders included; the file's by default.",
                        },
                    },
                }
            }
        },
    }
}


@router.post("", summary="Upload documents", status_code=202, openapi_extra=_UPLOAD_SCHEMA)
async def upload(
    request: Request,
    wait: Annotated[Literal["indexed"] | None, Query(description="Answer when searches find it.")] = None,
    wait_s: Annotated[
        float, Query(gt=0, le=_LONGEST_WAIT_S, description="For so many seconds at most.")
    ] = _WAIT_S,
) -> Response:
    """Takes PDF, PNG, JPEG, DOCX, Markdown and text files in and answers 202 with the document's id and state.

    The same name in the same collection is the same document: other bytes are its next version, and bytes that it
    has already change nothing (200), unless it failed, was deleted or has expired. So a request whose answer was
    lost can be sent again. What a file is its content decides; a name that says otherwise is refused.

    Several files give `documents`, a list in their order. All are checked before any is taken in. With
    `wait=indexed` the answer comes once this version is indexed, or has failed, with its `reason` (200), or after
    `wait_s` seconds with the state that it has then (202).
    """
    documents, caller = services_of(request).documents, caller_of(request)
    tenant = caller.tenant
    async with documents.upload_turn(), upload_form(request, arrives_s=_ARRIVES_S) as form:
        caller.within((form.collection,))
        taken = await documents.upload(
            tenant,
            form.collection,
            form.uploads,
            trace_of(request),
            readers=form.readers,
            may_see=caller.sees,
        )
    views, is_new = [view for view, _ in taken], any(new for _, new in taken)
    if wait is not None:
        async with asyncio.TaskGroup() as tasks:
            waiting = [tasks.create_task(documents.settled(tenant, view, timeout_s=wait_s)) for view in views]
        views = [task.result() for task in waiting]
        is_new = any(view.state not in SETTLED for view in views)
    return respond(views[0] if len(views) == 1 else DocumentList(views), 202 if is_new else 200)


@router.get("", summary="List documents")
async def documents(
    request: Request,
    state: Annotated[DocumentStateName | None, Query(description="Only documents in this state.")] = None,
    collection: Annotated[str | None, Query(max_length=128, description="Only of this collection.")] = None,
    cursor: Annotated[str | None, Query(max_length=200, description="`next_cursor` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Response:
    """Documents, the newest first, with the state of each stage; on the first page their number by state."""
    caller = caller_of(request)
    page = await services_of(request).documents.list(
        caller.tenant,
        state=state,
        cursor=cursor,
        limit=limit,
        collections=caller.within((collection,) if collection is not None else None),
    )
    seen = [view for view in page.documents if caller.sees(view)]
    # Numbers would tell of documents that this caller may not know of.
    return respond(replace(page, documents=seen, counts=page.counts if caller.groups is None else None))


@router.get("/events", summary="Changes of documents as they happen (SSE)")
async def events(
    request: Request,
    document: Annotated[list[str] | None, Query(max_length=100, description="Only of these documents.")] = None,
    collection: Annotated[str | None, Query(max_length=128, description="Only of this collection.")] = None,
) -> Response:
    """`document` with a document whenever it changes; `reload` (as a rule the first) when the list is to be read.

    `mark` events carry the id to come back with (`Last-Event-ID`): then the changes meanwhile come instead of the
    first `reload`. A comment every 10 s shows that the stream lives; `end` ends it when the reader is too slow.
    """
    caller = caller_of(request)
    wanted = WantedChanges(
        request.headers.get("last-event-id"), frozenset(document or ()), collection, caller.sees
    )
    changes = services_of(request).documents.changes(caller.tenant, wanted, every_s=_NEWS_EVERY_S)
    ahead = Ahead(changes)
    # Refused here, while the answer can still be a 429; a stream that goes on may have nothing to say yet.
    await ahead.fetch(1, _FIRST_WITHIN_S)

    async def stream() -> AsyncIterator[ServerSentEvent]:
        async for change in ahead.all():
            yield _news(change)

    return EventStream(stream(), ahead, send_timeout_s=_SEND_TIMEOUT_S)


@router.get("/{doc_id}", summary="A document's state")
async def document(request: Request, doc_id: str) -> Response:
    """State of the newest version, each stage, and which version searches find."""
    return respond(await seen_document(request, doc_id))


@router.delete("/{doc_id}", summary="Delete a document", status_code=202)
async def delete(request: Request, doc_id: str) -> Response:
    """Announces the delete; `state` becomes "deleted" once searches no longer find the document."""
    await seen_document(request, doc_id)
    view = await services_of(request).documents.delete(tenant_of(request), doc_id, trace_of(request))
    return respond(view, 202)


async def seen_document(request: Request, doc_id: str) -> DocumentView:
    """A document; one that the caller may not see is not there. Raises NotFound."""
    caller = caller_of(request)
    view = await services_of(request).documents.get(caller.tenant, doc_id)
    if not caller.sees(view):
        raise NotFound("There is no document with this id.")
    return view


def _news(change: Change) -> ServerSentEvent:
    match change.kind:
        case "document":
            return ServerSentEvent(event="document", data=msgspec.json.encode(change.view).decode())
        case "too_slow":
            return ServerSentEvent(event="end", data='{"reason": "too_slow"}', retry=_RETRY_MS)
        case _:
            return ServerSentEvent(event=change.kind, data="{}", id=change.mark, retry=_RETRY_MS)
