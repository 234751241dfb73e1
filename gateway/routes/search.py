"""POST /v1/search, and /search for those who knew it first."""

from typing import Any

from fastapi import APIRouter, Request, Response

from contracts.api import SearchResponse
from gateway.routes.context import respond, services_of, trace_of
from gateway.routes.guards import WRITE_HEADER
from gateway.routes.json_body import schema_of
from gateway.routes.search_body import SearchBody, read_search

router = APIRouter(tags=["search"])

_FORM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "query": {"type": "string", "description": "Words."},
        "image": {"type": "string", "format": "binary", "description": "A picture file."},
        "k": {"type": "integer", "minimum": 1, "maximum": 100, "default": 10},
        "weights": {"type": "string", "description": "JSON object as in the JSON body."},
        "filter": {"type": "string", "description": "JSON object as in the JSON body."},
        "tier": {"type": "string"},
    },
}


def body_schema(kind: type[SearchBody]) -> dict[str, Any]:
    """OpenAPI description of a body that `read_search` reads."""
    return {
        "parameters": [
            {
                "name": WRITE_HEADER,
                "in": "header",
                "required": False,
                "schema": {"type": "string", "example": "trireme"},
                "description": "Needed with multipart bodies; a form on a foreign page cannot send it.",
            }
        ],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": schema_of(kind)},
                "multipart/form-data": {"schema": _FORM_SCHEMA},
            },
        },
    }


@router.post("/v1/search", summary="Search", response_model=SearchResponse, openapi_extra=body_schema(SearchBody))
@router.post("/search", include_in_schema=False, response_model=SearchResponse)
async def search(request: Request) -> Response:
    """Text and pictures in one ranked list, for words, a picture, or both. Higher scores are better.

    The answer comes within 200 ms: complete, in part (see `coverage` and `degraded`), from the cache, or as
    an error that says what is away. Decoding an uploaded picture comes before that (`timings_ms.decode`).
    """
    services = services_of(request)
    asked = await read_search(request, SearchBody)
    response = await services.search.search(asked.query, trace=trace_of(request))
    if asked.query.picture is not None:
        response.timings_ms["decode"] = round(asked.decode_ms, 3)
    return respond(response)
