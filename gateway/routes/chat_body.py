"""Reads POST /v1/chat/completions: which model goes on with which conversation, and how."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field

from contracts.api import RETRIEVAL_MODEL as RETRIEVAL
from contracts.errors import InvalidInput, NotFound, PayloadTooLarge
from contracts.tensors import LLAMA
from gateway.core.prompt import Dialogue
from gateway.core.query import SearchQuery
from gateway.core.writing import Message, Role, Sampling
from gateway.routes.context import services_of
from gateway.routes.json_body import picture_bytes, read_json, validated
from gateway.routes.search_body import AnswerOptions, PictureFile, search_query

_MODELS = (RETRIEVAL, LLAMA)

_MOST_INSTRUCTIONS_CHARS = 4000
# The sampler takes 31 bits; the protocol's seeds have 64.
_SEEDS = 2**31
# Of what is not supported, the values that ask for nothing, which many clients send.
_ASKS_NOTHING: dict[str, tuple[Any, ...]] = {
    "n": (1,),
    "tools": ([],),
    "functions": ([],),
    "tool_choice": ("none", "auto"),
    "parallel_tool_calls": (True, False),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "logit_bias": ({},),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "response_format": ({"type": "text"},),
    "modalities": (["text"],),
    "store": (False,),
    "service_tier": ("auto", "default"),
}
# About the caller, not about the answer.
_NOTES = frozenset({"user", "metadata", "safety_identifier", "prompt_cache_key"})

T = TypeVar("T")

Stop = Annotated[str, Field(min_length=1, max_length=200)]


class ImageUrl(BaseModel):
    """A picture in the request itself."""

    url: str = Field(description="A data URL. Addresses are refused: nothing is fetched.")


class Part(BaseModel):
    """A part of a message."""

    type: Literal["text", "image_url"]
    text: str | None = None
    image_url: ImageUrl | None = None


class MessageBody(BaseModel):
    """A message; what else a client's own objects hold is ignored."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[Part]
    tool_calls: list[Any] | None = None


class StreamOptions(BaseModel):
    """How a stream is told."""

    include_usage: bool = False


class ChatBody(BaseModel):
    """A conversation to go on with."""

    # What is not named here is looked at by `_refuse_unsupported`.
    model_config = ConfigDict(extra="allow")

    model: str = Field(
        description=f"'{RETRIEVAL}' answers from the documents, '{LLAMA}' is the language model alone."
    )
    messages: list[MessageBody] = Field(min_length=1, max_length=1000)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: int | None = Field(default=None, ge=1, le=1_000_000)
    max_completion_tokens: int | None = Field(default=None, ge=1, le=1_000_000)
    temperature: float | None = Field(default=None, ge=0, le=2, description="0 by default: the likeliest token.")
    top_p: float | None = Field(default=None, gt=0, le=1)
    seed: int | None = Field(default=None, ge=-(2**63), lt=2**63)
    stop: Stop | Annotated[list[Stop], Field(max_length=4)] | None = None
    return_token_ids: bool | None = Field(
        default=None, description=f"Of '{LLAMA}': the answer's tokens beside it."
    )
    trireme: AnswerOptions | None = Field(
        default=None, description=f"Of '{RETRIEVAL}': how to search, and what orders the passages."
    )


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """What is asked.

    Args:
        query: what the documents are searched for; None asks the language model alone.
        messages: the whole conversation, for the language model alone.
        dialogue, options: what stands around the question, and how it is answered from the documents.
    """

    model: str
    sampling: Sampling
    stream: bool
    include_usage: bool
    return_token_ids: bool
    query: SearchQuery | None
    messages: tuple[Message, ...]
    dialogue: Dialogue
    options: AnswerOptions


async def read_chat(request: Request) -> ChatRequest:
    """The conversation in a request's body.

    Raises:
        InvalidInput: fields that do not fit, or that are not supported. NotFound: no such model.
        PayloadTooLarge: too many characters, bytes or pixels. UnsupportedMedia: another kind of body or picture.
    """
    limits = services_of(request).limits
    body, picture = await read_json(request, lambda data: _parsed(data, limits.chat_chars))
    messages = tuple(Message(_role(each), _text(each)) for each in body.messages)
    query, dialogue, options = None, Dialogue(), body.trireme or AnswerOptions()
    if body.model == RETRIEVAL:
        question = messages[-1]
        if not question.content.strip():
            raise InvalidInput(
                "The last message asks nothing; beside a picture, too, it needs words.", param="messages"
            )
        pictures = [PictureFile(picture)] if picture is not None else []
        query = await search_query(request, options, question.content, pictures)
        dialogue = _dialogue(messages[:-1])
    return ChatRequest(
        model=body.model,
        sampling=_sampling(body),
        stream=bool(body.stream),
        include_usage=body.stream_options is not None and body.stream_options.include_usage,
        return_token_ids=bool(body.return_token_ids),
        query=query,
        messages=messages,
        dialogue=dialogue,
        options=options,
    )


def _parsed(data: bytes, most_chars: int) -> tuple[ChatBody, bytes | None]:
    """The body, found sound, and the picture in its last message."""
    body = validated(ChatBody, data)
    if body.model not in _MODELS:
        raise NotFound(
            f"There is no model of that name to chat with; there are {' and '.join(_MODELS)}.", param="model"
        )
    _refuse_unsupported(body)
    chars = sum(len(_text(each)) for each in body.messages)
    if chars > most_chars:
        raise PayloadTooLarge(
            f"The messages have {chars:,} characters; at most {most_chars:,} are read.", param="messages"
        )
    if body.model == RETRIEVAL and body.messages[-1].role != "user":
        raise InvalidInput(f"With the model '{RETRIEVAL}' the last message is the user's.", param="messages")
    return body, _picture(body)


def _refuse_unsupported(body: ChatBody) -> None:
    for name, value in (body.model_extra or {}).items():
        if value is not None and name not in _NOTES and value not in _ASKS_NOTHING.get(name, ()):
            raise InvalidInput(f"The parameter '{name[:100]}' is not supported with this value.", param=name[:100])
    if any(each.tool_calls for each in body.messages):
        raise InvalidInput("Messages with calls of tools are not supported.", param="messages")
    if body.stream_options is not None and not body.stream:
        raise InvalidInput("The parameter 'stream_options' needs 'stream'.", param="stream_options")
    limits = {body.max_tokens, body.max_completion_tokens} - {None}
    if len(limits) > 1:
        raise InvalidInput("'max_tokens' and 'max_completion_tokens' differ; give one.", param="max_tokens")
    if body.model == LLAMA and body.trireme is not None:
        raise InvalidInput(f"The parameter 'trireme' is for the model '{RETRIEVAL}'.", param="trireme")
    if body.model == RETRIEVAL and body.return_token_ids:
        raise InvalidInput(
            f"The parameter 'return_token_ids' is for the model '{LLAMA}'.", param="return_token_ids"
        )


def _picture(body: ChatBody) -> bytes | None:
    """The picture that the last message asks with; anywhere else a picture is refused."""
    *earlier, last = (_pictures(each) for each in body.messages)
    if any(earlier) or len(last) > 1 or (last and body.model != RETRIEVAL):
        raise InvalidInput(
            f"A picture is read with the model '{RETRIEVAL}' only, one of them, in the last message.",
            param="messages",
        )
    return picture_bytes(last[0], field="messages") if last else None


def _pictures(message: MessageBody) -> list[str]:
    parts = message.content if isinstance(message.content, list) else []
    return [_filled(part.image_url, part.type).url for part in parts if part.type == "image_url"]


def _text(message: MessageBody) -> str:
    if isinstance(message.content, str):
        return message.content
    return "\n".join(_filled(part.text, part.type) for part in message.content if part.type == "text")


def _filled(value: T | None, kind: str) -> T:
    if value is None:
        raise InvalidInput(f"A part of type '{kind}' lacks its '{kind}'.", param="messages")
    return value


def _role(message: MessageBody) -> Role:
    return "system" if message.role == "developer" else message.role


def _sampling(body: ChatBody) -> Sampling:
    stop = [body.stop] if isinstance(body.stop, str) else body.stop or []
    return Sampling(
        max_tokens=body.max_completion_tokens or body.max_tokens,
        temperature=body.temperature or 0.0,
        top_p=body.top_p or 1.0,
        seed=None if body.seed is None else body.seed % _SEEDS,
        stop=tuple(stop),
    )


def _dialogue(earlier: tuple[Message, ...]) -> Dialogue:
    instructions = "\n\n".join(each.content for each in earlier if each.role == "system")
    if len(instructions) > _MOST_INSTRUCTIONS_CHARS:
        raise PayloadTooLarge(
            f"The system's messages have {len(instructions):,} characters; "
            f"with the model '{RETRIEVAL}' at most {_MOST_INSTRUCTIONS_CHARS:,} are read.",
            param="messages",
        )
    return Dialogue(instructions, tuple(each for each in earlier if each.role != "system"))
