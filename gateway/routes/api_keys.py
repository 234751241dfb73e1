"""Finds the caller behind a request's key and has `gateway.core.access` decide. Pure ASGI."""

from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from contracts.errors import Forbidden, Unauthenticated
from gateway.core.access import authorise
from gateway.core.key_ring import KeyRing
from gateway.routes.problems import problem_of

_BEARER = "bearer "


class RequireKey:
    """Asks for `Authorization: Bearer KEY`; routes find who it is with `gateway.routes.context.caller_of`.

    Args:
        ring: the keys of now.
        now_ms: Unix time in ms.
    """

    def __init__(self, app: ASGIApp, *, ring: Callable[[], KeyRing], now_ms: Callable[[], int]) -> None:
        self._app = app
        self._ring = ring
        self._now_ms = now_ms

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        caller = self._ring().caller(_given(scope), self._now_ms())
        try:
            authorise(caller, scope["method"], scope["path"])
        except (Unauthenticated, Forbidden) as refusal:
            response = problem_of(refusal, scope)
            if isinstance(refusal, Unauthenticated):
                response.headers["WWW-Authenticate"] = "Bearer"
            await response(scope, receive, send)
            return
        scope.setdefault("state", {})["caller"] = caller
        await self._app(scope, receive, send)


def _given(scope: Scope) -> str | None:
    header = Headers(scope=scope).get("authorization", "")
    return header[len(_BEARER) :].strip() if header.lower().startswith(_BEARER) else None
