"""Pictures and originals through short-lived links, as attachments: no browser shall show them as a page."""

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response

from gateway.core.links import MEDIA_PREFIX, file_path
from gateway.core.picture_kind import picture_kind
from gateway.routes.context import services_of

router = APIRouter(tags=["documents"])

Expires = Annotated[int, Query(ge=0)]
Signature = Annotated[str, Query(max_length=64)]


@router.get(MEDIA_PREFIX + "files/{tenant}/{doc_id}", summary="A document's original")
async def original(request: Request, tenant: str, doc_id: str, expires: Expires, signature: Signature) -> Response:
    """The bytes as they were uploaded. The link comes from a hit's `document_url` or a document's `file_url`."""
    services = services_of(request)
    services.links.check(file_path(doc_id, tenant), expires, signature)
    file = await services.documents.original(tenant, doc_id)
    return _attachment(file.data, file.content_type, file.name)


@router.get(MEDIA_PREFIX + "{key:path}", summary="A picture of a document")
async def picture(request: Request, key: str, expires: Expires, signature: Signature) -> Response:
    """A picture or thumbnail. The link comes from a hit's `picture_url` or `thumbnail_url`."""
    services = services_of(request)
    services.links.check(MEDIA_PREFIX + key, expires, signature)
    data = await services.store.get(services.links.picture_key(MEDIA_PREFIX + key))
    kind = picture_kind(data)
    return _attachment(data, kind.content_type, f"{key.rsplit('/', 1)[-1]}.{kind.extension}")


def _attachment(data: bytes, content_type: str, name: str) -> Response:
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "private, max-age=300",
    }
    return Response(data, headers=headers, media_type=content_type)
