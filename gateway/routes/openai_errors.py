"""The OpenAI protocol's shape of an error, and which addresses speak that protocol."""

from typing import Any

_ADDRESSES = ("/v1/chat/", "/v1/embeddings", "/v1/models")
# The protocol has one status for all that the caller must change.
_STATUS = {413: 400, 415: 400, 422: 400}
_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}

ERROR_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "properties": {
                "message": {"type": "string", "description": "A sentence for people."},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"], "description": "The field that is at fault."},
                "code": {"type": "string"},
            },
        }
    },
}


def speaks_openai(path: str) -> bool:
    """Whether errors at this address have the OpenAI protocol's shape."""
    return path.startswith(_ADDRESSES)


def openai_status(status: int) -> int:
    """Status in the protocol for one of ours."""
    return _STATUS.get(status, status)


def openai_error(status: int, code: str, message: str, param: str | None) -> dict[str, Any]:
    """The body of an error; clients tell errors apart by the status."""
    kind = _TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def described_errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI's description of the errors that a route may answer."""
    return {
        status: {"description": "See `error.message`.", "content": {"application/json": {"schema": ERROR_SCHEMA}}}
        for status in statuses
    }
