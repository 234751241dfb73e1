"""POST /v1/chat/completions, as the OpenAI protocol has it: the language model, or answers from the documents."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response

from contracts.errors import TriremeError
from gateway.routes.callers import Ahead, EventStream, Left, begun, nobody_reads, while_there
from gateway.routes.chat_body import ChatBody, ChatRequest, read_chat
from gateway.routes.chat_events import ChatEvent, Closing, from_answer, from_model
from gateway.routes.chat_schema import ANSWERED
from gateway.routes.completion import Completion
from gateway.routes.context import count_tokens, respond, services_of, trace_of
from gateway.routes.json_body import schema_of
from gateway.routes.openai_errors import described_errors, openai_error, openai_status
from gateway.routes.problems import status_of

router = APIRouter(tags=["openai"])

# What fails so soon (a full queue, no model, a prompt that is too long) is told by the status; later only the
# stream itself can tell. Two events: the opening comes before anybody writes.
_TOLD_BY_STATUS_S = 1.0
_EVENTS_AHEAD = 2
_END = "[DONE]"

_DESCRIBED: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": schema_of(ChatBody)}}}
}


@router.post(
    "/v1/chat/completions",
    summary="Go on with a conversation",
    openapi_extra=_DESCRIBED,
    responses=ANSWERED | described_errors(400, 404, 429, 502, 503, 504),
)
async def chat_completions(request: Request) -> Response:
    """OpenAI's chat completion, whole or (with `stream`) as server-sent events.

    The model `llama` is the language model alone. The model `trireme` searches the documents for the last message
    and answers from them as `/v1/answer` does; citations that held are in `message.annotations` and, with the
    documents, in `trireme`. docs/openai.md says what is supported.
    """
    asked = await read_chat(request)
    completion = Completion(
        trace_id=trace_of(request).trace_id,
        created=int(services_of(request).clock.unix_s()),
        model=asked.model,
        include_usage=asked.include_usage,
        return_token_ids=asked.return_token_ids,
    )
    events = _counted(request, _events(request, asked))
    try:
        if not asked.stream:
            return respond(await while_there(request, _whole(completion, events)))
        ahead = await begun(request, events, _EVENTS_AHEAD, _TOLD_BY_STATUS_S)
    except Left:
        return nobody_reads()
    return EventStream(_data(completion, ahead), ahead, sep="\n")


def _events(request: Request, asked: ChatRequest) -> AsyncGenerator[ChatEvent, None]:
    services, trace = services_of(request), trace_of(request)
    if asked.query is None:
        return from_model(services.chat.chat(asked.messages, asked.sampling, trace))
    answer = services.answers.answer(
        asked.query,
        trace,
        sampling=asked.sampling,
        dialogue=asked.dialogue,
        rerank=asked.options.rerank,
        k_is_given=asked.options.k_is_given,
    )
    return from_answer(answer, str(request.base_url))


async def _counted(request: Request, events: AsyncGenerator[ChatEvent, None]) -> AsyncGenerator[ChatEvent, None]:
    async with aclosing(events):
        async for event in events:
            if isinstance(event, Closing):
                written = event.usage.prompt_tokens + event.usage.completion_tokens
                await count_tokens(request, written + event.consulted_tokens)
            yield event


async def _whole(completion: Completion, events: AsyncGenerator[ChatEvent, None]) -> dict[str, Any]:
    async with aclosing(events):
        async for event in events:
            completion.chunks(event)
            if isinstance(event, Closing):
                return completion.whole(event)
    raise AssertionError("a completion ends with its closing")


async def _data(completion: Completion, ahead: Ahead[ChatEvent]) -> AsyncIterator[str]:
    try:
        async for event in ahead.all():
            for chunk in completion.chunks(event):
                yield msgspec.json.encode(chunk).decode()
    except TriremeError as exc:
        error = openai_error(openai_status(status_of(exc)), exc.code, exc.message, None)
        yield msgspec.json.encode(error).decode()
    else:
        yield _END
