"""POST /v1/search, /v1/search/batch, and /search for those who knew it first."""

import asyncio
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from contracts.api import BatchResponse, BatchResult, Problem, SearchResponse
from contracts.errors import TriremeError
from contracts.search import MAX_K
from gateway.routes.context import respond, services_of, trace_of
from gateway.routes.experiment_headers import EXPERIMENT_HEADER, told
from gateway.routes.guards import WRITE_HEADER
from gateway.routes.json_body import read_json, schema_of, validated
from gateway.routes.problems import problem_of
from gateway.routes.search_body import SearchBody, pictures_of, read_search, search_query

router = APIRouter(tags=["search"])

MOST_SEARCHES = 32
# Searches of one batch under way at once; others' searches shall not wait behind it.
_AT_ONCE = 4

_FORM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "query": {"type": "string", "description": "Words."},
        "image": {"type": "string", "format": "binary", "description": "A picture file; may be repeated."},
        "k": {"type": "integer", "minimum": 1, "maximum": MAX_K, "default": 10},
        "weights": {"type": "string", "description": "JSON object as in the JSON body."},
        "filter": {"type": "string", "description": "JSON object as in the JSON body."},
        "group_by": {"type": "string", "enum": ["document"]},
        "group_size": {"type": "integer", "minimum": 1, "maximum": 10, "default": 1},
        "tier": {"type": "string"},
    },
}


def _form_schema(kind: type[SearchBody]) -> dict[str, Any]:
    """A form has the fields that all searches have, and those of its own kind."""
    own = {
        name: each for name, each in schema_of(kind)["properties"].items() if name not in SearchBody.model_fields
    }
    return {**_FORM_SCHEMA, "properties": {**_FORM_SCHEMA["properties"], **own}}


class BatchBody(BaseModel):
    """Several searches at once."""

    model_config = ConfigDict(extra="forbid")

    searches: Annotated[tuple[SearchBody, ...], Field(min_length=1, max_length=MOST_SEARCHES)]


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
                "multipart/form-data": {"schema": _form_schema(kind)},
            },
        },
    }


@router.post("/v1/search", summary="Search", response_model=SearchResponse, openapi_extra=body_schema(SearchBody))
@router.post("/search", include_in_schema=False, response_model=SearchResponse)
async def search(request: Request) -> Response:
    """Text and pictures in one ranked list, for words, pictures, or both. Higher scores are better.

    The answer comes within 200 ms: complete, in part (see `coverage` and `degraded`), from the cache, or as
    an error that says what is away. Decoding uploaded pictures comes before that (`timings_ms.decode`).
    """
    services = services_of(request)
    asked = await read_search(request, SearchBody)
    response = await services.experiment_search.search(asked.query, trace=trace_of(request))
    if asked.query.pictures:
        response.timings_ms["decode"] = round(asked.decode_ms, 3)
    answer = respond(response)
    if response.experiments:
        answer.headers[EXPERIMENT_HEADER] = told(response.experiments)
    return answer


@router.post(
    "/v1/search/batch",
    summary="Search several times at once",
    response_model=BatchResponse,
    openapi_extra={
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema_of(BatchBody)}}}
    },
)
async def batch(request: Request) -> Response:
    """Results in the order of `searches`, each with its status: a response, or the problem that this one has.

    Each search has its own 200 ms; a few of them run at once.
    """
    body = await read_json(request, lambda data: validated(BatchBody, data))
    turns = asyncio.Semaphore(_AT_ONCE)

    async def one(asked: SearchBody) -> BatchResult:
        async with turns:
            try:
                pictures = await asyncio.to_thread(pictures_of, asked)
                query = await search_query(request, asked, asked.query, pictures)
                response = await services_of(request).experiment_search.search(query, trace=trace_of(request))
            except TriremeError as error:
                problem = problem_of(error, request.scope)
                return BatchResult(problem.status_code, None, msgspec.json.decode(problem.body, type=Problem))
        return BatchResult(200, response, None)

    async with asyncio.TaskGroup() as tasks:
        asked = [tasks.create_task(one(each)) for each in body.searches]
    return respond(BatchResponse([task.result() for task in asked]))
