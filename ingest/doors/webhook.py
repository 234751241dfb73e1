"""The HTTP door for S3-compatible stores: they POST their bucket's events to `/events`. One ASGI app.

Knows a token, and no callers: it belongs beside the store, in a network that people do not reach.
"""

import hmac

import msgspec
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from contracts.errors import BadMessage, InvalidInput, TriremeError
from ingest.doors.object_events import ObjectEvents

_BEARER = "bearer "
_LONGEST_BODY_BYTES = 1024**2


def webhook_app(events: ObjectEvents, token: str) -> Starlette:
    """The door.

    Args:
        token: what the store sends as `Authorization: Bearer TOKEN`.
    """

    async def receive(request: Request) -> Response:
        if not _knows(request.headers.get("authorization", ""), token):
            return _answer(401, error="Send the token as 'Authorization: Bearer TOKEN'.")
        try:
            body = await _body(request)
        except ClientDisconnect:
            return Response(status_code=499)
        if body is None:
            return _answer(413, error="The event is larger than 1 MiB.")
        try:
            return _answer(200, taken=await events.take_all(events.read(body)))
        except (BadMessage, InvalidInput) as exc:
            return _answer(422, error=exc.message)
        except TriremeError as exc:
            return _answer(503, error=exc.message)

    async def probe(_: Request) -> Response:
        """Stores ask whether somebody is there before they are content with their configuration."""
        return Response(status_code=200)

    return Starlette(
        routes=[Route("/events", receive, methods=["POST"]), Route("/events", probe, methods=["GET"])]
    )


def _knows(header: str, token: str) -> bool:
    given = header[len(_BEARER) :].strip() if header.lower().startswith(_BEARER) else ""
    return hmac.compare_digest(given.encode(), token.encode())


async def _body(request: Request) -> bytes | None:
    """The body; None for one that is too large, of which no more is read."""
    read = bytearray()
    async for chunk in request.stream():
        read += chunk
        if len(read) > _LONGEST_BODY_BYTES:
            return None
    return bytes(read)


def _answer(status: int, **fields: object) -> Response:
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {"Retry-After": "2"} if status == 503 else None
    return Response(msgspec.json.encode(fields), status, headers, "application/json")
