"""Reads a search from a request: JSON, or multipart with pictures as files. For every route that searches."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Generic, Literal, TypeVar

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import from_json
from starlette.datastructures import UploadFile

from contracts.api import AnswerRerank
from contracts.errors import InvalidInput, Overloaded, PayloadTooLarge, UnsupportedMedia
from contracts.joint import Weights
from contracts.search import MAX_K, Filter
from gateway.core.judging import MOST_JUDGED
from gateway.core.query import QueryPicture, SearchQuery, normalised
from gateway.routes.context import caller_of, services_of
from gateway.routes.experiment_headers import caller_from
from gateway.routes.json_body import JSON, content_type_of, picture_bytes, read_json, validated
from gateway.services import Limits, Services

MAX_PICTURES = 8
TIER_HEADER = "X-Traffic-Tier"
# What a form holds as JSON.
_JSON_FIELDS = frozenset({"weights", "filter", "conversation"})

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

    k: int = Field(default=10, ge=1, le=MAX_K, description="Hits wanted; texts come with the first hundred.")
    weights: WeightsBody | None = None
    filter: FilterBody | None = None
    group_by: Literal["document"] | None = Field(
        default=None, description="`k` counts documents then, and the hits of each stand together, the best first."
    )
    group_size: int = Field(default=1, ge=1, le=10, description="Hits of a document in its group.")
    tier: Annotated[str, Field(max_length=64)] | None = Field(
        default=None, description=f"Traffic tier; instead of the header {TIER_HEADER}."
    )


class AnswerOptions(SearchOptions):
    """What an answer is told beside its question."""

    k: int = Field(
        default=10,
        ge=1,
        le=MAX_K,
        description=f"Documents to draw from; where a judge orders them and this is absent, {MOST_JUDGED}.",
    )
    rerank: AnswerRerank | None = Field(
        default=None,
        description="What orders the passages before the generator reads the first of them: `score`, the exact "
        "joint score, or `judge`, the language model, asked once for all of them. By default as the gateway is "
        "set.",
    )

    @property
    def k_is_given(self) -> bool:
        """Whether the request says how many documents to draw from."""
        return "k" in self.model_fields_set


class WeightedPicture(BaseModel):
    """One of several pictures."""

    model_config = ConfigDict(extra="forbid")

    image: str = Field(description="A picture file in Base64, or as a data URL.")
    weight: Weight = Field(default=1.0, description="Beside the other pictures; below zero for 'not like this'.")


class SearchBody(SearchOptions):
    """A search with words, pictures, or both."""

    query: str | None = Field(default=None, description="Words.")
    image: str | None = Field(
        default=None, description="A picture file in Base64, or as a data URL. In multipart: the file itself."
    )
    images: Annotated[tuple[str | WeightedPicture, ...], Field(max_length=MAX_PICTURES)] = Field(
        default=(), description="Several pictures, each as in `image`, or with a weight of its own."
    )


B = TypeVar("B", bound=SearchBody)


@dataclass(frozen=True, slots=True)
class PictureFile:
    """A picture's bytes as they were sent, and how much it counts beside the others."""

    data: bytes
    weight: float = 1.0


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
        Forbidden: collections that the caller's key does not open.
    """
    services = services_of(request)
    content_type = content_type_of(request)
    if content_type == "multipart/form-data":
        body, pictures = await _from_form(request, kind)
    elif content_type == JSON:
        body, pictures = await read_json(request, lambda data: _from_json(data, kind))
    else:
        raise UnsupportedMedia("A search is sent as application/json, or as multipart/form-data with a picture.")
    began_s = services.clock.monotonic_s()
    query = await search_query(request, body, body.query, pictures)
    decode_ms = (services.clock.monotonic_s() - began_s) * 1000
    return Asked(body, query, decode_ms if query.pictures else 0.0)


async def search_query(
    request: Request, options: SearchOptions, query: str | None, pictures: Sequence[PictureFile]
) -> SearchQuery:
    """Words and picture files as a search, with the gateway's defaults filled in. Errors as in `read_search`."""
    services = services_of(request)
    words = _words(query, services.limits)
    if words is None and not pictures:
        raise InvalidInput("The search is empty: give words in 'query', a picture in 'image', or both.")
    caller = caller_of(request)
    wanted = Filter(**options.filter.model_dump()) if options.filter else Filter()
    return SearchQuery(
        words=words,
        pictures=await _read(services, pictures),
        k=options.k,
        weights=_weights(options.weights, services.limits.weights),
        filter=caller.narrowed(wanted),
        per_document=options.group_size if options.group_by else None,
        tier=options.tier or request.headers.get(TIER_HEADER),
        tenant=caller.tenant,
        own_weights=options.weights is not None,
        caller=caller_from(request.headers),
    )


async def _read(services: Services, files: Sequence[PictureFile]) -> tuple[QueryPicture, ...]:
    """The pictures as the image tower takes them."""
    # One after the other: a request takes one of the reader's few places, whatever its size.
    read = [replace(await services.pictures.read(file.data), weight=file.weight) for file in files]
    if len({picture.space_id for picture in read}) > 1:
        raise Overloaded("Searches are going over to another index at the moment.")
    return tuple(read)


def pictures_of(body: SearchBody) -> list[PictureFile]:
    """The files in a body's `image` and `images`. Raises InvalidInput."""
    given = [WeightedPicture(image=each) if isinstance(each, str) else each for each in body.images]
    files = [PictureFile(picture_bytes(each.image, field="images"), each.weight) for each in given]
    if body.image is not None:
        files.insert(0, PictureFile(picture_bytes(body.image, field="image")))
    return files


def _from_json(data: bytes, kind: type[B]) -> tuple[B, list[PictureFile]]:
    body = validated(kind, data)
    return body, pictures_of(body)


async def _from_form(request: Request, kind: type[B]) -> tuple[B, list[PictureFile]]:
    values: dict[str, Any] = {}
    pictures: list[PictureFile] = []
    async with request.form(max_files=MAX_PICTURES, max_fields=16) as form:
        for name, value in form.multi_items():
            if isinstance(value, UploadFile):
                if name != "image":
                    raise InvalidInput("The only files of a search are its pictures, in the field 'image'.")
                pictures.append(PictureFile(await value.read()))
            elif name in {"image", "images"}:
                raise InvalidInput("In a form pictures are sent as files in the field 'image'.")
            else:
                values[name] = _json(name, value) if name in _JSON_FIELDS else value
    return validated(kind, values), pictures


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
