"""Around every request: trace, metrics, security headers, and the last net for unexpected errors. Pure ASGI."""

import time
from collections.abc import Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from contracts.metrics import HTTP_REQUESTS
from contracts.trace import TRACEPARENT, TraceContext
from gateway.routes.problems import internal
from runtime.telemetry import Metrics, about, continue_trace, get_logger
from runtime.tracing import record

TRACE_HEADER = "X-Trace-Id"

_SECURITY: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
}
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

# Asked every few seconds by machines.
_NOT_TRACED = frozenset({"/healthz", "/readyz", "/metrics"})

_log = get_logger(__name__)


class RequestContext:
    """Outermost middleware. Routes find the trace at `request.state.trace`; every response carries its id.

    Headers that a route has set itself (such as its own Content-Security-Policy) are left as they are.
    """

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self._app = app
        self._requests = metrics.counter(HTTP_REQUESTS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        trace = continue_trace(Headers(scope=scope).get(TRACEPARENT))
        scope.setdefault("state", {})["trace"] = trace
        status: int | None = None
        began_ns = time.time_ns()

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _add_headers(MutableHeaders(scope=message), trace)
            await send(message)

        try:
            with about(trace_id=trace.trace_id):
                try:
                    await self._app(scope, receive, send_with_headers)
                except Exception as exc:
                    _log.error("request_failed", path=scope["path"], exc_info=exc)
                    if status is not None:
                        raise
                    await internal(scope)(scope, receive, send_with_headers)
        finally:
            method, route, outcome = _labels(scope, status)
            self._requests.labels(method, route, outcome).inc()
            if route not in _NOT_TRACED:
                record(f"{method} {route}", trace, began_ns, status=outcome)


def _add_headers(headers: MutableHeaders, trace: TraceContext) -> None:
    headers[TRACE_HEADER] = trace.trace_id
    for name, value in _SECURITY.items():
        headers.setdefault(name, value)


def _labels(scope: Scope, status: int | None) -> tuple[str, str, str]:
    """Method, route template and status; a template, not a path, so that the number of series is bounded."""
    method = scope["method"] if scope["method"] in _METHODS else "other"
    return method, getattr(scope.get("route"), "path", "unmatched"), str(status or 499)
