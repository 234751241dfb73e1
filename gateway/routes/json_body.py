"""Bodies in JSON: read without holding up other requests, checked against a model, described for OpenAPI."""

import asyncio
import base64
import binascii
from collections.abc import Callable
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError

from contracts.errors import InvalidInput, UnsupportedMedia
from gateway.routes.problems import sentences

JSON = "application/json"

# Larger bodies are parsed in a thread, so that other requests go on meanwhile.
_LARGE_BYTES = 256 * 1024
# Names of unknown fields are the caller's.
_LONGEST_PARAM = 100

T = TypeVar("T")
B = TypeVar("B", bound=BaseModel)


def content_type_of(request: Request) -> str:
    """The body's media type without parameters, in lower case."""
    return request.headers.get("content-type", "").split(";")[0].strip().lower()


async def read_json(request: Request, parse: Callable[[bytes], T]) -> T:
    """What `parse` makes of a JSON body.

    Raises:
        UnsupportedMedia: another kind of body. PayloadTooLarge: more bytes than are read.
        whatever `parse` raises.
    """
    if content_type_of(request) != JSON:
        raise UnsupportedMedia(f"The body of this request is sent as {JSON}.")
    data = await request.body()
    return await asyncio.to_thread(parse, data) if len(data) > _LARGE_BYTES else parse(data)


def validated(kind: type[B], data: bytes | dict[str, Any]) -> B:
    """A body as its model.

    Raises:
        InvalidInput: fields that do not fit; its `param` is the first of them.
    """
    try:
        return kind.model_validate_json(data) if isinstance(data, bytes) else kind.model_validate(data)
    except ValidationError as exc:
        details = exc.errors(include_url=False, include_input=False, include_context=False)
        param = next((str(part)[:_LONGEST_PARAM] for part in details[0]["loc"]), None)
        raise InvalidInput(" ".join(sentences(details)), param=param) from exc


def picture_bytes(text: str, *, field: str) -> bytes:
    """The file in a field that holds Base64, or a data URL. Nothing is ever fetched from elsewhere.

    Raises:
        InvalidInput: it holds neither.
    """
    if text.startswith(("http://", "https://")):
        raise InvalidInput(
            f"The field '{field}' holds an address; pictures are sent in the request, as a data URL.", param=field
        )
    encoded = text.partition(",")[2] if text.startswith("data:") else text
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise InvalidInput(f"The field '{field}' is not valid Base64.", param=field) from exc


def schema_of(kind: type[BaseModel]) -> dict[str, Any]:
    """A body's JSON schema without `$defs`: OpenAPI would look for them elsewhere."""
    schema = kind.model_json_schema()
    definitions = schema.pop("$defs", {})

    def inline(node: Any) -> Any:
        if isinstance(node, dict):
            name = node.get("$ref", "").rpartition("/")[2]
            return inline(definitions[name]) if name else {key: inline(value) for key, value in node.items()}
        return [inline(value) for value in node] if isinstance(node, list) else node

    inlined: dict[str, Any] = inline(schema)
    return inlined
