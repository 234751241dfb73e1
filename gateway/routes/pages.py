"""GET /v1/documents/{doc_id}/pages/{page}: a page as a picture, so that a citation can be looked at."""

import hashlib
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Path, Query, Request, Response

from contracts.errors import NotFound
from gateway.core.pages import NARROWEST, USUAL_WIDTH, WIDEST
from gateway.routes.callers import Left, nobody_reads, while_there
from gateway.routes.context import caller_of, services_of
from gateway.routes.documents import seen_document

router = APIRouter(prefix="/v1/documents", tags=["documents"])

PAGES_HEADER = "X-Page-Count"
QUOTE_HEADER = "X-Quote-Boxes"
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {"image/png": {"schema": {"type": "string", "format": "binary"}}},
        "headers": {
            PAGES_HEADER: {"description": "Pages of the document.", "schema": {"type": "integer"}},
            QUOTE_HEADER: {
                "description": "Boxes around the quote's words, as JSON: [[left, top, right, bottom], ...].",
                "schema": {"type": "string"},
            },
        },
    }
}


@router.get("/{doc_id}/pages/{page}", summary="A page as a picture", responses=_RESPONSES, response_class=Response)
async def page(
    request: Request,
    doc_id: str,
    page: Annotated[int, Path(ge=1, le=100_000, description="From 1.")],
    width: Annotated[int, Query(ge=NARROWEST, le=WIDEST, description="Of the picture, in pixels.")] = USUAL_WIDTH,
    version: Annotated[
        int | None, Query(ge=0, lt=2**63, description="As in a hit: 404 once another version was uploaded.")
    ] = None,
    quote: Annotated[
        str | None, Query(max_length=2000, description=f"Words of a PDF's page; {QUOTE_HEADER} tells where.")
    ] = None,
) -> Response:
    """A page of a PDF or TIFF, or a picture document (page 1), as PNG.

    A hit's or a citation's `box` is in fractions of this picture. Very tall pages are narrower than asked for, and
    pictures are not enlarged. Other kinds have no pages: 415.
    """
    view = await seen_document(request, doc_id)
    if version is not None and version != view.version:
        raise NotFound("The document has changed since it was found. Search again.")
    words = hashlib.sha256((quote or "").encode()).hexdigest()[:16]
    etag = f'"{view.version}-{page}-{width}-{words}"'
    headers = {
        "ETag": etag,
        "Cache-Control": "private, max-age=300",
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)
    work = services_of(request).pages.draw(caller_of(request).tenant, view, page=page, width=width, quote=quote)
    try:
        drawn = await while_there(request, work)
    except Left:
        return nobody_reads()
    headers |= {PAGES_HEADER: str(drawn.n_pages), QUOTE_HEADER: msgspec.json.encode(drawn.marks).decode()}
    return Response(drawn.png, headers=headers, media_type="image/png")
