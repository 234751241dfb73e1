"""What is refused before a route sees it: foreign Host headers, foreign pages' forms, endless bodies. Pure ASGI.

A page of another origin can make a browser post a form to this machine. It cannot add a header of its own, nor
send JSON, without asking first (CORS preflight), and nobody here answers that question. So a POST whose content
type a form could have must carry `X-Requested-With`. PUT, PATCH and DELETE are asked about first in any case.
"""

from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from contracts.errors import PayloadTooLarge
from gateway.routes.problems import problem_of, problem_response

WRITE_HEADER = "X-Requested-With"
# Content types that a form (or a "simple" cross-origin request) can have, beside none at all.
_FORM_TYPES = frozenset({"", "application/x-www-form-urlencoded", "multipart/form-data", "text/plain"})


class Guards:
    """Checks the Host header, and the header that writes need.

    Args:
        allowed_hosts: names without port; "*" allows any (behind a proxy that checks).
    """

    def __init__(self, app: ASGIApp, *, allowed_hosts: Sequence[str]) -> None:
        self._app = app
        self._hosts = frozenset(allowed_hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        await (refusal or self._app)(scope, receive, send)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        if "*" not in self._hosts and _host_name(headers.get("host", "")) not in self._hosts:
            detail = "This gateway does not answer under the name in the Host header."
            return problem_response(scope, 421, "wrong_host", detail)
        if scope["method"] == "POST" and WRITE_HEADER.lower() not in headers:
            kind = headers.get("content-type", "").split(";")[0].strip().lower()
            if kind in _FORM_TYPES:
                detail = (
                    f"A POST that is not JSON needs the header '{WRITE_HEADER}: trireme', "
                    "which a form on a foreign page cannot send."
                )
                return problem_response(scope, 403, "write_header_missing", detail)
        return None


class BodyLimit:
    """Stops reading a body at its limit and answers 413, whatever the route made of the interruption.

    Args:
        limits: (path prefix, bytes), the first that fits counts; the last should be "/".
    """

    def __init__(self, app: ASGIApp, *, limits: Sequence[tuple[str, int]]) -> None:
        self._app = app
        self._limits = tuple(limits)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = next((size for prefix, size in self._limits if scope["path"].startswith(prefix)), 0)
        announced = Headers(scope=scope).get("content-length", "")
        if announced.isdigit() and int(announced) > limit:
            await _too_large(limit, scope)(scope, receive, send)
            return
        read, exceeded, started = 0, False, False

        async def limited_receive() -> Message:
            nonlocal read, exceeded
            message = await receive()
            read += len(message.get("body", b""))
            if read > limit:
                exceeded = True
                raise PayloadTooLarge(_too_large_message(limit))
            return message

        async def replacing_send(message: Message) -> None:
            nonlocal started
            if exceeded and not started:
                return
            started = True
            await send(message)

        try:
            await self._app(scope, limited_receive, replacing_send)
        except PayloadTooLarge:
            if not exceeded or started:
                raise
        if exceeded and not started:
            await _too_large(limit, scope)(scope, receive, send)


def _too_large_message(limit_bytes: int) -> str:
    return f"The body of the request is larger than {limit_bytes / 2**20:.0f} MiB."


def _too_large(limit_bytes: int, scope: Scope) -> Response:
    error = PayloadTooLarge(_too_large_message(limit_bytes))
    refusal = problem_of(error, scope)
    refusal.headers["Connection"] = "close"
    return refusal


def _host_name(host: str) -> str:
    """Host without port, in lower case; also for IPv6 literals."""
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0].lower()
