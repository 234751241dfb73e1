"""What every route takes from a request (services, trace, tenant) and how it answers."""

from typing import Any

import msgspec
from fastapi import Request, Response

from contracts.ids import DEFAULT_TENANT
from contracts.trace import TraceContext
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


def tenant_of(_request: Request) -> str:
    """Who asks. There is one tenant while no API key exists."""
    return DEFAULT_TENANT


def respond(body: Any, status: int = 200) -> Response:
    """A dataclass of `contracts.api` (or plain data) as a JSON response."""
    return Response(msgspec.json.encode(body), status, media_type="application/json")
