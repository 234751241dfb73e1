"""Problems (RFC 9457) from the gateway as errors of the tree in `contracts.errors`, and httpx's own errors too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import httpx
import msgspec

from contracts import errors
from contracts.api import Problem

_PLAIN: Mapping[str, type[errors.TriremeError]] = {
    kind.code: kind
    for kind in (
        errors.InvalidInput,
        errors.PayloadTooLarge,
        errors.UnsupportedMedia,
        errors.NotFound,
        errors.Conflict,
        errors.Unauthenticated,
        errors.Forbidden,
        errors.DeadlineExceeded,
        errors.Superseded,
        errors.SpaceMismatch,
    )
}
_BY_STATUS: Mapping[int, type[errors.TriremeError]] = {
    401: errors.Unauthenticated,
    403: errors.Forbidden,
    404: errors.NotFound,
    409: errors.Conflict,
    413: errors.PayloadTooLarge,
    415: errors.UnsupportedMedia,
    422: errors.InvalidInput,
    504: errors.DeadlineExceeded,
}


def error_of(response: httpx.Response) -> errors.TriremeError:
    """The error that a response of status 400 or more stands for. The body must have been read."""
    try:
        problem = msgspec.json.decode(response.content, type=Problem)
    except msgspec.DecodeError:
        return _without_problem(response.status_code)
    retry_after_s = problem.retry_after_s
    match problem.code:
        case errors.Overloaded.code:
            return errors.Overloaded(problem.detail, retry_after_s=1.0 if retry_after_s is None else retry_after_s)
        case errors.DependencyDown.code:
            wait_s = 2.0 if retry_after_s is None else retry_after_s
            return errors.DependencyDown("gateway", problem.detail, retry_after_s=wait_s)
        case errors.DependencyFailed.code:
            return errors.DependencyFailed("gateway", problem.detail)
        case errors.DocumentFailed.code:
            return errors.DocumentFailed(str(problem.extra.get("cause", "unknown")), problem.detail)
    kind = _PLAIN.get(problem.code) or _BY_STATUS.get(response.status_code, errors.TriremeError)
    return kind(problem.detail)


@contextmanager
def transport_errors() -> Iterator[None]:
    """Turn httpx's errors inside the block into ours.

    Raises:
        DeadlineExceeded: the gateway took too long.
        DependencyDown: it cannot be reached, or broke the connection off.
    """
    try:
        yield
    except httpx.TimeoutException as exc:
        raise errors.DeadlineExceeded("The gateway did not answer in time.") from exc
    except httpx.TransportError as exc:
        raise errors.DependencyDown("gateway", "The gateway cannot be reached. Is the stack running?") from exc


def _without_problem(status: int) -> errors.TriremeError:
    if status in {502, 503}:
        return errors.DependencyDown("gateway", f"The gateway answered with status {status}.")
    return _BY_STATUS.get(status, errors.TriremeError)(f"The gateway answered with status {status}.")
