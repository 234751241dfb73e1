"""Counts each request against its caller's quota before a route sees it. Pure ASGI."""

from starlette.types import ASGIApp, Receive, Scope, Send

from contracts.errors import Overloaded
from gateway.core.access import Caller, needed_scope
from gateway.flows.ports import CallerQuotas
from gateway.routes.problems import problem_of


class CountRequests:
    """Refuses with 429 and Retry-After whom the quota does not let in. Stands inside of `RequireKey`."""

    def __init__(self, app: ASGIApp, *, quotas: CallerQuotas) -> None:
        self._app = app
        self._quotas = quotas

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        caller = scope.get("state", {}).get("caller")
        if isinstance(caller, Caller) and needed_scope(scope["method"], scope["path"]) is not None:
            try:
                await self._quotas.admit(caller)
            except Overloaded as refusal:
                await problem_of(refusal, scope)(scope, receive, send)
                return
        await self._app(scope, receive, send)
