"""GET /v1/dead-letters, POST .../requeue, DELETE: for operators (`gateway.routes.api_keys`)."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from contracts.letters import LetterFilter, LetterState
from contracts.topics import Stage
from gateway.flows.dead_letters import Operator
from gateway.routes.context import caller_of, respond, services_of, tenant_of, trace_of

router = APIRouter(prefix="/v1/dead-letters", tags=["dead letters"])

_NOTE = Query(max_length=500, description="Why, in your words; kept with the letter.")
Note = Annotated[str | None, _NOTE]


@router.get("", summary="List dead letters")
async def letters(
    request: Request,
    stage: Annotated[Stage | None, Query(description="Only of this stage.")] = None,
    cause: Annotated[str | None, Query(max_length=100, description="Only of this cause.")] = None,
    document: Annotated[str | None, Query(max_length=100, description="Only of this document.")] = None,
    since_ms: Annotated[
        int | None, Query(ge=0, lt=2**53, description="Given up at this Unix time or later.")
    ] = None,
    until_ms: Annotated[int | None, Query(ge=0, lt=2**53, description="Given up before this Unix time.")] = None,
    state: Annotated[
        LetterState | None, Query(description="By default all, whatever was done about them.")
    ] = None,
    cursor: Annotated[str | None, Query(max_length=200, description="`next_cursor` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Response:
    """Work that was given up, the newest first: what failed, why, after how many tries, and what was done then.

    `complete` is false when there may be older ones than could be read at once; `since_ms` and `until_ms` reach
    them.
    """
    wanted = LetterFilter(
        tenant=tenant_of(request), doc_id=document, stage=stage, cause=cause, since_ms=since_ms, until_ms=until_ms
    )
    return respond(await services_of(request).dead_letters.list(wanted, state=state, cursor=cursor, limit=limit))


@router.get("/{letter_id}", summary="A dead letter")
async def letter(request: Request, letter_id: str) -> Response:
    """One letter, with the record that was given up."""
    return respond(await services_of(request).dead_letters.show(tenant_of(request), letter_id))


@router.post("/{letter_id}/requeue", summary="Put the work of a dead letter back")
async def requeue(request: Request, letter_id: str, note: Note = None) -> Response:
    """Has the work done again with the version that it had. Asking again changes nothing.

    409 when a newer version of the document has overtaken it, when the letter was discarded, or when what was kept
    of it does not suffice.
    """
    return respond(await services_of(request).dead_letters.requeue(_operator(request), letter_id, note))


@router.delete("/{letter_id}", summary="Discard a dead letter")
async def discard(request: Request, letter_id: str, note: Note = None) -> Response:
    """Sets the letter aside for good; who did it, when and why is kept with it. Asking again changes nothing."""
    return respond(await services_of(request).dead_letters.discard(_operator(request), letter_id, note))


def _operator(request: Request) -> Operator:
    return Operator(tenant_of(request), caller_of(request).name, trace_of(request))
