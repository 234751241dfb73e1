"""Chat completions in the OpenAI protocol's shapes, whole and as chunks. Pure."""

from dataclasses import dataclass, field
from typing import Any

from gateway.core.writing import Usage
from gateway.routes.chat_events import ChatEvent, Closing, Opening, Words

Json = dict[str, Any]


@dataclass(slots=True)
class Completion:
    """One completion: `chunks` is fed the events in their order, also when it is wanted whole.

    Args:
        created: Unix time in seconds.
        include_usage: a last chunk tells the tokens, and every other one that it does not.
        return_token_ids: tokens are told beside the text.
    """

    trace_id: str
    created: int
    model: str
    include_usage: bool = False
    return_token_ids: bool = False
    _generator: str = ""
    _token_ids: list[int] = field(default_factory=list)

    def chunks(self, event: ChatEvent) -> list[Json]:
        """The chunks that an event makes."""
        match event:
            case Opening(generator, extension):
                self._generator = generator
                return [self._chunk({"role": "assistant", "content": ""}, extension=extension)]
            case Words(text, token_ids):
                self._token_ids += token_ids
                if self.return_token_ids:
                    return [self._chunk({"content": text}, token_ids=token_ids)]
                return [self._chunk({"content": text})] if text else []
            case Closing():
                delta = {"annotations": event.streamed_annotations} if event.streamed_annotations else {}
                extension = event.extension and {k: v for k, v in event.extension.items() if k != "documents"}
                last = self._chunk(delta, finish_reason=event.finish_reason, extension=extension)
                counted = self._head("chat.completion.chunk") | {"choices": [], "usage": _usage(event.usage)}
                return [last, counted] if self.include_usage else [last]

    def whole(self, closing: Closing) -> Json:
        """The completion in one piece, after its last event."""
        message = {"role": "assistant", "content": closing.content, "refusal": None}
        choice = {
            "index": 0,
            "message": message | {"annotations": closing.annotations},
            "logprobs": None,
            "finish_reason": closing.finish_reason,
        }
        if self.return_token_ids:
            choice["token_ids"] = self._token_ids
        body = self._head("chat.completion") | {"choices": [choice], "usage": _usage(closing.usage)}
        return body | ({"trireme": closing.extension} if closing.extension else {})

    def _chunk(
        self, delta: Json, *, finish_reason: str | None = None, extension: Json | None = None, **choice: Any
    ) -> Json:
        chosen = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason} | choice
        chunk = self._head("chat.completion.chunk") | {"choices": [chosen]}
        if self.include_usage:
            chunk["usage"] = None
        return chunk | ({"trireme": extension} if extension else {})

    def _head(self, kind: str) -> Json:
        return {
            "id": f"chatcmpl-{self.trace_id}",
            "object": kind,
            "created": self.created,
            "model": self.model,
            "system_fingerprint": f"trireme-{self._generator}",
        }


def _usage(usage: Usage) -> Json:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }
