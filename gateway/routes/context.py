"""What every route takes from a request (services, trace, tenant) and how it answers."""

from typing import Any

import msgspec
from fastapi import Request, Response

from contracts.errors import Unauthenticated
from contracts.trace import TraceContext
from gateway.core.access import Caller
from gateway.services import Services
from runtime.telemetry import new_trace


def services_of(request: Request) -> Services:
    """The services that the app was built with."""
    services = request.app.state.services
    assert isinstance(services, Services)
    return services


def trace_of(request: Request) -> TraceContext:
    """The trace that this request continues or starts; set by the outermost middleware."""
    trace = request.scope.get("state", {}).get("trace")
    return trace if isinstance(trace, TraceContext) else new_trace()


def caller_of(request: Request) -> Caller:
    """Who asks, as `gateway.routes.api_keys` found out."""
    caller = request.scope.get("state", {}).get("caller")
    if not isinstance(caller, Caller):
        raise Unauthenticated("This address needs to know who asks.")
    return caller


def tenant_of(request: Request) -> str:
    """Whose documents the request is about. There is one tenant while no API key exists."""
    return caller_of(request).tenant


async def count_tokens(request: Request, tokens: int) -> None:
    """Tokens that were read and written for whoever asks, against the quota."""
    await services_of(request).quotas.used(caller_of(request), tokens)


def respond(body: Any, status: int = 200) -> Response:
    """A dataclass of `contracts.api` (or plain data) as a JSON response."""
    return Response(msgspec.json.encode(body), status, media_type="application/json")
