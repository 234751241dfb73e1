"""POST /v1/answer: a cited answer, whole as JSON or piece by piece as server-sent events."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import asdict
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Request, Response
from pydantic import AliasChoices, BaseModel, ConfigDict, Field
from sse_starlette import ServerSentEvent

from contracts.api import AnswerResponse
from contracts.errors import InvalidInput, PayloadTooLarge
from gateway.core.prompt import Dialogue
from gateway.core.writing import Message
from gateway.flows.answer_events import AnswerEvent, Cited, Delta, Done, Retrieved
from gateway.routes.callers import EventStream, Left, begun, nobody_reads, while_there
from gateway.routes.context import count_tokens, respond, services_of, trace_of
from gateway.routes.search import body_schema
from gateway.routes.search_body import AnswerOptions, SearchBody, read_search

router = APIRouter(tags=["answers"])

_EVENT_STREAM = "text/event-stream"


class TurnBody(BaseModel):
    """What one of the two said."""

    model_config = ConfigDict(extra="forbid")

    role: Literal["user", "assistant"]
    content: str


class AnswerBody(AnswerOptions, SearchBody):
    """A question, with a picture where it is about one."""

    model_config = ConfigDict(extra="forbid")

    query: str | None = Field(
        default=None, validation_alias=AliasChoices("question", "query"), description="The question."
    )
    conversation: Annotated[tuple[TurnBody, ...], Field(max_length=200)] = Field(
        default=(),
        description="What was said before, oldest first. A language model makes the question whole with it before "
        "the documents are searched, and reads the last of it beside them. In a form: as JSON.",
    )
    stream: bool = Field(default=False, description=f"Server-sent events, as with `Accept: {_EVENT_STREAM}`.")


@router.post(
    "/v1/answer", summary="Ask a question", response_model=AnswerResponse, openapi_extra=body_schema(AnswerBody)
)
async def answer(request: Request) -> Response:
    """An answer from the documents with citations `[n]`, where n is the rank of the cited document.

    As a stream: `documents` (a search's answer, what was searched for, and which generator writes), `delta`s with
    pieces of text, `citations` (those whose quote stands in the source), `done` with the whole. When the generator
    fails, the answer is partial: `degraded` is true and `failed_stage` says what failed; the documents are there
    in any case.
    """
    services = services_of(request)
    asked = await read_search(request, AnswerBody)
    if asked.query.words is None:
        raise InvalidInput("A question is needed in 'question'; a picture alone can be searched with.")
    trace = trace_of(request)
    answered = services.answers.answer(
        asked.query,
        trace,
        dialogue=_dialogue(asked.body, services.limits.chat_chars),
        rerank=asked.body.rerank,
        k_is_given=asked.body.k_is_given,
    )
    events = _counted(request, answered)
    try:
        if not asked.body.stream and _EVENT_STREAM not in request.headers.get("accept", ""):
            return respond(await while_there(request, _whole(events)))
        # The search is done here, while its failure can still be a status code.
        ahead = await begun(request, events, 1)
    except Left:
        return nobody_reads()

    async def stream() -> AsyncIterator[ServerSentEvent]:
        async for event in ahead.all():
            yield _event(event, trace.trace_id)

    return EventStream(stream(), ahead)


def _dialogue(body: AnswerBody, most_chars: int) -> Dialogue:
    chars = sum(len(turn.content) for turn in body.conversation)
    if chars > most_chars:
        raise PayloadTooLarge(
            f"The conversation has {chars:,} characters; at most {most_chars:,} are read.", param="conversation"
        )
    return Dialogue(turns=tuple(Message(turn.role, turn.content) for turn in body.conversation))


async def _counted(
    request: Request, events: AsyncGenerator[AnswerEvent, None]
) -> AsyncGenerator[AnswerEvent, None]:
    async with aclosing(events):
        async for event in events:
            if isinstance(event, Done):
                written = event.usage.prompt_tokens + event.usage.completion_tokens
                await count_tokens(request, written + event.consulted_tokens)
            yield event


async def _whole(events: AsyncGenerator[AnswerEvent, None]) -> AnswerResponse:
    async with aclosing(events):
        async for event in events:
            if isinstance(event, Done):
                return event.response
    raise AssertionError("an answer ends with Done")


def _event(event: AnswerEvent, trace_id: str) -> ServerSentEvent:
    body: dict[str, Any]
    match event:
        case Retrieved(found, generator, searched_for):
            told = {"documents": found.hits, "generator": generator, "searched_for": searched_for}
            name, body = "documents", {**asdict(found), **told}
            del body["hits"]
        case Delta(text):
            name, body = "delta", {"text": text}
        case Cited(citations, dropped):
            name, body = "citations", {"citations": citations, "citations_dropped": dropped}
        case Done(response):
            name, body = "done", asdict(response)
    return ServerSentEvent(event=name, data=msgspec.json.encode({**body, "trace_id": trace_id}).decode())
