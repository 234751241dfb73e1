"""POST /v1/embeddings, as the OpenAI protocol has it: the joint space's encoders, for texts and for pictures."""

import base64
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from contracts.errors import InvalidInput
from contracts.space import TextRole
from gateway.flows.embeddings import PICTURE_TOWERS, Embedded, Tokens, Vectors
from gateway.routes.callers import Left, nobody_reads, while_there
from gateway.routes.context import count_tokens, respond, services_of, trace_of
from gateway.routes.json_body import picture_bytes, read_json, schema_of, validated
from gateway.routes.openai_errors import described_errors
from gateway.services import Services

router = APIRouter(tags=["openai"])

_TEXT_OR_TOKENS = [{"type": "string"}, {"type": "array", "items": {"type": "integer"}}]
_PICTURE = {"type": "object", "properties": {"image": {"type": "string"}}, "required": ["image"]}
_INPUT_SCHEMA = {
    "anyOf": [*_TEXT_OR_TOKENS, _PICTURE, {"type": "array", "items": {"anyOf": [*_TEXT_OR_TOKENS, _PICTURE]}}]
}


class EmbeddingsBody(BaseModel):
    """What to embed, and by which encoder."""

    model_config = ConfigDict(extra="forbid")

    model: str = Field(description="text_encoder, clip_text, clip_image or clip_image_distilled.")
    input: Annotated[
        Any,
        WithJsonSchema(_INPUT_SCHEMA),
        Field(
            description="A text or its token ids, or a list of them. For the picture encoders: data URLs, or "
            "objects with a picture file in Base64 in 'image'."
        ),
    ]
    encoding_format: Literal["float", "base64"] = Field(
        default="float", description="Numbers, or the Base64 of little-endian float32."
    )
    input_type: TextRole = Field(
        default="passage", description="Whether texts ask or are what is asked for; some encoders tell them apart."
    )
    dimensions: int | None = Field(default=None, description="The model's own width, or nothing.")
    user: str | None = None


@dataclass(frozen=True, slots=True)
class _Inputs:
    body: EmbeddingsBody
    texts: list[str | Tokens]
    pictures: list[bytes]


@router.post(
    "/v1/embeddings",
    summary="Embed texts or pictures",
    openapi_extra={
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema_of(EmbeddingsBody)}}}
    },
    responses=described_errors(400, 404, 429, 502, 503, 504),
)
async def embeddings(request: Request) -> Response:
    """Unit vectors in the order of the inputs.

    Texts go to `text_encoder` or `clip_text`, pictures to `clip_image` (or its distilled twin, which speaks the
    same space). `usage` counts tokens, special ones included; pictures have none.
    """
    services, trace = services_of(request), trace_of(request)
    asked = await read_json(request, lambda data: _parsed(data, services))
    if asked.pictures:
        work = services.embeddings.pictures(asked.body.model, asked.pictures, trace)
    else:
        work = services.embeddings.texts(asked.body.model, asked.texts, asked.body.input_type, trace)
    try:
        embedded = await while_there(request, work)
    except Left:
        return nobody_reads()
    await count_tokens(request, embedded.tokens)
    return respond(_body(asked.body, embedded))


def _parsed(data: bytes, services: Services) -> _Inputs:
    body = validated(EmbeddingsBody, data)
    width, most_inputs = services.embeddings.width(body.model), services.limits.embeddings
    if body.dimensions not in (None, width):
        raise InvalidInput(
            f"The vectors of '{body.model}' have {width} dimensions. They cannot be cut: the model was not "
            "trained for that, and a part of a vector means nothing.",
            param="dimensions",
        )
    single = not isinstance(body.input, list) or _is_tokens(body.input)
    inputs = [body.input] if single else body.input
    if not inputs:
        raise InvalidInput("The input is empty.", param="input")
    if len(inputs) > most_inputs:
        raise InvalidInput(f"There are {len(inputs):,} inputs; at most {most_inputs:,} are taken.", param="input")
    if body.model in PICTURE_TOWERS:
        return _Inputs(body, [], [_picture(body.model, each) for each in inputs])
    return _Inputs(body, [_text(body.model, each) for each in inputs], [])


def _text(model: str, value: Any) -> str | Tokens:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and _is_tokens(value):
        return tuple(value)
    raise InvalidInput(
        f"'{model}' reads texts, or lists of token ids; pictures are for 'clip_image'.", param="input"
    )


def _picture(model: str, value: Any) -> bytes:
    if isinstance(value, dict) and value.keys() == {"image"}:
        value = value["image"]
    elif not (isinstance(value, str) and value.startswith(("data:", "http://", "https://"))):
        value = None
    if not isinstance(value, str):
        raise InvalidInput(
            f"'{model}' reads pictures: data URLs, or objects with the file in Base64 in 'image'.", param="input"
        )
    return picture_bytes(value, field="input")


def _is_tokens(value: list[Any]) -> bool:
    return bool(value) and all(isinstance(each, int) and not isinstance(each, bool) for each in value)


def _body(body: EmbeddingsBody, embedded: Embedded) -> dict[str, Any]:
    rows = _rows(embedded.vectors, body.encoding_format)
    return {
        "object": "list",
        "model": body.model,
        "data": [{"object": "embedding", "index": i, "embedding": row} for i, row in enumerate(rows)],
        "usage": {"prompt_tokens": embedded.tokens, "total_tokens": embedded.tokens},
    }


def _rows(vectors: Vectors, encoding_format: str) -> list[Any]:
    if encoding_format == "base64":
        return [base64.b64encode(row.astype("<f4").tobytes()).decode() for row in vectors]
    rows: list[Any] = vectors.astype(np.float64).tolist()
    return rows
