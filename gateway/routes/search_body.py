"""Reads a search from a request: JSON, or multipart with the picture as a file. For every route that searches."""

from dataclasses import dataclass
from typing import Annotated, Any, Generic, Literal, TypeVar

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import from_json
from starlette.datastructures import UploadFile

from contracts.errors import InvalidInput, PayloadTooLarge, UnsupportedMedia
from contracts.joint import Weights
from contracts.search import Filter
from gateway.core.query import SearchQuery, normalised
from gateway.routes.context import services_of, tenant_of
from gateway.routes.json_body import JSON, content_type_of, picture_bytes, read_json, validated
from gateway.services import Limits

MAX_HITS = 100
TIER_HEADER = "X-Traffic-Tier"

Weight = Annotated[float, Field(ge=-10, le=10, allow_inf_nan=False)]
LexicalWeight = Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)]
Name = Annotated[str, Field(min_length=1, max_length=700)]
Milliseconds = Annotated[int, Field(ge=0, lt=2**53, description="Unix time in milliseconds.")]
Names = Annotated[tuple[Name, ...], Field(min_length=1, max_length=100)]


class WeightsBody(BaseModel):
    """How much each pair of (asked with, found in) counts; what is absent has the gateway's default."""

    model_config = ConfigDict(extra="forbid")

    text_text: Weight | None = Field(default=None, description="Words against the text of an item.")
    text_image: Weight | None = Field(default=None, description="Words against the picture of an item.")
    image_image: Weight | None = Field(default=None, description="The picture against the picture of an item.")
    lexical: LexicalWeight | None = Field(
        default=None, description="The words, and above all identifiers, that an item holds; 0 = not looked up."
    )


class FilterBody(BaseModel):
    """Which items may be found."""

    model_config = ConfigDict(extra="forbid")

    collections: Names | None = None
    kinds: Annotated[tuple[Literal["text", "picture"], ...], Field(min_length=1, max_length=2)] | None = None
    doc_ids: Names | None = None
    content_types: Names | None = None
    added_after_ms: Milliseconds | None = None
    added_before_ms: Milliseconds | None = None


class SearchOptions(BaseModel):
    """What a search is told beside what it searches for."""

    model_config = ConfigDict(extra="forbid")

    k: int = Field(default=10, ge=1, le=MAX_HITS, description="Hits wanted.")
    weights: WeightsBody | None = None
    filter: FilterBody | None = None
    tier: Annotated[str, Field(max_length=64)] | None = Field(
        default=None, description=f"Traffic tier; instead of the header {TIER_HEADER}."
    )


class SearchBody(SearchOptions):
    """A search with words, a picture, or both."""

    query: str | None = Field(default=None, description="Words.")
    image: str | None = Field(
        default=None, description="A picture file in Base64, or as a data URL. In multipart: the file itself."
    )


B = TypeVar("B", bound=SearchBody)


@dataclass(frozen=True, slots=True)
class Asked(Generic[B]):
    """A request's body, the query in it, and how long its picture took to decode."""

    body: B
    query: SearchQuery
    decode_ms: float


async def read_search(request: Request, kind: type[B]) -> Asked[B]:
    """The search in a request's body.

    Raises:
        InvalidInput: fields that do not fit, nothing to search with, or a picture that cannot be decoded.
        PayloadTooLarge: too many characters, bytes or pixels. UnsupportedMedia: another kind of body or picture.
    """
    services = services_of(request)
    content_type = content_type_of(request)
    if content_type == "multipart/form-data":
        body, picture = await _from_form(request, kind)
    elif content_type == JSON:
        body, picture = await read_json(request, lambda data: _from_json(data, kind))
    else:
        raise UnsupportedMedia("A search is sent as application/json, or as multipart/form-data with a picture.")
    began_s = services.clock.monotonic_s()
    query = await search_query(request, body, body.query, picture)
    decode_ms = (services.clock.monotonic_s() - began_s) * 1000
    return Asked(body, query, decode_ms if query.picture is not None else 0.0)


async def search_query(
    request: Request, options: SearchOptions, query: str | None, picture: bytes | None
) -> SearchQuery:
    """Words and a picture file as a search, with the gateway's defaults filled in. Errors as in `read_search`."""
    services = services_of(request)
    words = _words(query, services.limits)
    if words is None and picture is None:
        raise InvalidInput("The search is empty: give words in 'query', a picture in 'image', or both.")
    return SearchQuery(
        words=words,
        picture=await services.pictures.read(picture) if picture is not None else None,
        k=options.k,
        weights=_weights(options.weights, services.limits.weights),
        filter=Filter(**options.filter.model_dump()) if options.filter else Filter(),
        tier=options.tier or request.headers.get(TIER_HEADER),
        tenant=tenant_of(request),
    )


def _from_json(data: bytes, kind: type[B]) -> tuple[B, bytes | None]:
    body = validated(kind, data)
    return body, picture_bytes(body.image, field="image") if body.image is not None else None


async def _from_form(request: Request, kind: type[B]) -> tuple[B, bytes | None]:
    values: dict[str, Any] = {}
    picture: bytes | None = None
    async with request.form(max_files=1, max_fields=16) as form:
        for name, value in form.multi_items():
            if isinstance(value, UploadFile):
                if name != "image":
                    raise InvalidInput("The only file of a search is its picture, in the field 'image'.")
                picture = await value.read()
            elif name == "image":
                raise InvalidInput("In a form the picture is sent as a file in the field 'image'.")
            else:
                values[name] = _json(name, value) if name in {"weights", "filter"} else value
    return validated(kind, values), picture


def _words(query: str | None, limits: Limits) -> str | None:
    if query is None:
        return None
    if len(query) > limits.query_chars:
        raise PayloadTooLarge(
            f"The query has {len(query):,} characters; at most {limits.query_chars:,} are read. "
            "Longer texts are uploaded as documents."
        )
    return normalised(query) or None


def _weights(given: WeightsBody | None, default: Weights) -> Weights:
    if given is None:
        return default
    return Weights(
        text_text=default.text_text if given.text_text is None else given.text_text,
        text_image=default.text_image if given.text_image is None else given.text_image,
        image_image=default.image_image if given.image_image is None else given.image_image,
        lexical=default.lexical if given.lexical is None else given.lexical,
    )


def _json(name: str, text: str) -> Any:
    try:
        return from_json(text)
    except ValueError as exc:
        raise InvalidInput(f"The field '{name}' of the form must hold JSON.") from exc
