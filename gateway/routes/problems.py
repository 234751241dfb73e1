"""Every error as application/problem+json (RFC 9457), from one table. No exception's own words reach a client.

Routes of the OpenAI protocol answer the same errors in that protocol's shape (`gateway.routes.openai_errors`).
"""

from collections.abc import Mapping
from http import HTTPStatus
from math import ceil
from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic_core import ErrorDetails
from starlette.exceptions import HTTPException
from starlette.types import Scope

from contracts import errors
from contracts.api import Problem
from gateway.routes.context import trace_of
from gateway.routes.openai_errors import openai_error, openai_status, speaks_openai
from runtime.telemetry import get_logger

MEDIA_TYPE = "application/problem+json"

# The most special class of an error counts; what is not listed is an internal error.
STATUS: Mapping[type[errors.TriremeError], int] = {
    errors.InvalidInput: 422,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.PayloadTooLarge: 413,
    errors.UnsupportedMedia: 415,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.DocumentFailed: 422,
    errors.Superseded: 409,
    errors.Overloaded: 429,
    errors.DeadlineExceeded: 504,
    errors.DependencyDown: 503,
    errors.DependencyFailed: 502,
    errors.RequestRefused: 502,
}
_RETRY_DEADLINE_S = 1.0
# Names of unknown fields are the caller's: a body of megabytes shall not come back as an error of megabytes.
_MOST_SENTENCES = 10
_LONGEST_PLACE = 100

_log = get_logger(__name__)


def status_of(error: errors.TriremeError) -> int:
    """HTTP status of an error of ours."""
    return next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 500)


def problem_response(
    scope: Scope,
    status: int,
    code: str,
    detail: str,
    *,
    retry_after_s: float | None = None,
    extra: dict[str, Any] | None = None,
) -> Response:
    """A problem as the response to a request, with Retry-After in whole seconds where it is known."""
    headers = {"Retry-After": str(max(1, ceil(retry_after_s)))} if retry_after_s is not None else None
    if speaks_openai(scope["path"]):
        status = openai_status(status)
        body = openai_error(status, code, detail, (extra or {}).get("param"))
        return Response(msgspec.json.encode(body), status, headers, "application/json")
    problem = Problem(
        type=f"about:blank#{code}",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        code=code,
        trace_id=trace_of(Request(scope)).trace_id,
        retry_after_s=retry_after_s,
        extra=extra or {},
    )
    return Response(msgspec.json.encode(problem), status, headers, MEDIA_TYPE)


def problem_of(error: errors.TriremeError, scope: Scope) -> Response:
    """The response to an error of ours. Messages of the error tree are written for callers."""
    status = status_of(error)
    if status == 500:
        return internal(scope)
    retry_after_s = getattr(error, "retry_after_s", None)
    if isinstance(error, errors.DeadlineExceeded):
        retry_after_s = _RETRY_DEADLINE_S
    extra: dict[str, Any] = {}
    if isinstance(error, errors.DocumentFailed):
        extra["cause"] = error.cause
    if isinstance(error, errors.InvalidInput) and error.param is not None:
        extra["param"] = error.param
    return problem_response(scope, status, error.code, error.message, retry_after_s=retry_after_s, extra=extra)


def sentences(details: list[ErrorDetails] | list[Any], *, skip: int = 0) -> list[str]:
    """Validation errors as sentences that name the field and never repeat what was sent; the first few of many.

    Args:
        skip: parts of a field's place to leave out; FastAPI puts "query" or "path" in front.
    """
    lines = []
    for detail in details[:_MOST_SENTENCES]:
        place = ".".join(str(part) for part in detail["loc"][skip:])
        if len(place) > _LONGEST_PLACE:
            place = f"{place[:_LONGEST_PLACE]}…"
        lines.append(f"{place or 'The request'}: {detail['msg']}.")
    if len(details) > _MOST_SENTENCES:
        lines.append(f"There are {len(details) - _MOST_SENTENCES:,} more errors like these.")
    return lines


def install(app: FastAPI) -> None:
    """Make the app answer every error as a problem."""

    async def ours(request: Request, exc: Exception) -> Response:
        assert isinstance(exc, errors.TriremeError)
        if status_of(exc) == 500:
            _log.error("request_failed", path=request.url.path, exc_info=exc)
        return problem_of(exc, request.scope)

    async def invalid(request: Request, exc: Exception) -> Response:
        assert isinstance(exc, RequestValidationError)
        lines = sentences(list(exc.errors()), skip=1)
        return problem_response(request.scope, 422, "invalid_input", " ".join(lines), extra={"errors": lines})

    async def http(request: Request, exc: Exception) -> Response:
        assert isinstance(exc, HTTPException)
        status = 422 if exc.status_code == 400 else exc.status_code
        response = problem_response(request.scope, status, _http_code(status), _http_detail(exc))
        for name, value in (exc.headers or {}).items():
            response.headers[name] = value
        return response

    app.add_exception_handler(errors.TriremeError, ours)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)


def internal(scope: Scope) -> Response:
    """The response to an error that nobody expected; `gateway.routes.middleware` gives it."""
    detail = "Something went wrong on our side. The trace id finds it in the logs."
    return problem_response(scope, 500, "internal", detail)


def _http_code(status: int) -> str:
    return {404: "not_found", 405: "method_not_allowed", 422: "invalid_input"}.get(status, f"http_{status}")


def _http_detail(exc: HTTPException) -> str:
    if exc.status_code == 404:
        return "There is nothing at this address."
    if exc.status_code == 405:
        return "This address does not take that method."
    if exc.status_code == 400:
        return "The body of the request cannot be read."
    return f"The request was refused: {HTTPStatus(exc.status_code).phrase.lower()}."
