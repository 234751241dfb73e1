"""What /v1/chat/completions answers, for OpenAPI: the whole completion, and the events of a stream.

Descriptions only: `completion.py` writes the answers, and a test holds them against these.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway.routes.json_body import JSON, schema_of


class _Described(BaseModel):
    model_config = ConfigDict(extra="forbid")


class UrlCitation(_Described):
    """Which part of the text cites which document; places are characters of `content`."""

    start_index: int
    end_index: int
    title: str = Field(description="The document, as it was called when it was sent.")
    url: str


class Annotation(_Described):
    """A citation that held."""

    type: Literal["url_citation"]
    url_citation: UrlCitation


class ChatMessage(_Described):
    """The answer."""

    role: Literal["assistant"]
    content: str
    refusal: None
    annotations: list[Annotation]


class Choice(_Described):
    """The one choice that there is."""

    index: Literal[0]
    message: ChatMessage
    logprobs: None
    finish_reason: Literal["stop", "length"]
    token_ids: list[int] | None = Field(default=None, description="Where `return_token_ids` asked for them.")


class TokenCount(_Described):
    """Tokens of the language model; 0 where none wrote."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class Head(_Described):
    """What a completion and each of its chunks begin with."""

    id: str = Field(description="`chatcmpl-` and the trace's id.")
    created: int = Field(description="Unix time in seconds.")
    model: str
    system_fingerprint: str = Field(description="Who wrote: `trireme-` and the generator.")
    trireme: dict[str, Any] | None = Field(
        default=None,
        description="Of the model `trireme`: documents, citations and timings, as `/v1/answer` has them.",
    )


class ChatCompletion(Head):
    """A completion in one piece."""

    object: Literal["chat.completion"]
    choices: list[Choice]
    usage: TokenCount


class ChunkDelta(_Described):
    """What a chunk adds."""

    role: Literal["assistant"] | None = None
    content: str | None = None
    annotations: list[Annotation] | None = None


class ChunkChoice(_Described):
    """The one choice that there is; the last chunk of it says why the answer ended."""

    index: Literal[0]
    delta: ChunkDelta
    logprobs: None
    finish_reason: Literal["stop", "length"] | None
    token_ids: list[int] | None = None


class ChatCompletionChunk(Head):
    """An event of a stream. The one that tells `usage` has no choices."""

    object: Literal["chat.completion.chunk"]
    choices: list[ChunkChoice]
    usage: TokenCount | None = None


ANSWERED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The completion; with `stream`, its chunks as server-sent events, and `[DONE]` at the end.",
        "content": {
            JSON: {"schema": schema_of(ChatCompletion)},
            "text/event-stream": {"schema": schema_of(ChatCompletionChunk)},
        },
    }
}
