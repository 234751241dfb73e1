"""Bodies of requests that search or ask."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from contracts.api import AnswerRerank
from contracts.joint import Weights
from contracts.search import Filter


@dataclass(frozen=True, slots=True)
class Turn:
    """What one of the two said before a question."""

    role: Literal["user", "assistant"]
    content: str


def query_body(
    query: str | None,
    image: bytes | Sequence[bytes] | None,
    k: int | None,
    weights: Weights | None,
    filter: Filter | None,
) -> dict[str, Any]:
    """A search; what is None is left to the gateway."""
    body: dict[str, Any] = {} if k is None else {"k": k}
    if query is not None:
        body["query"] = query
    if isinstance(image, bytes):
        body["image"] = base64.b64encode(image).decode()
    elif image:
        body["images"] = [base64.b64encode(each).decode() for each in image]
    if weights is not None:
        body["weights"] = msgspec.to_builtins(weights)
    if filter is not None:
        body["filter"] = {k: v for k, v in msgspec.to_builtins(filter).items() if v is not None}
    return body


def question_body(
    query: str,
    image: bytes | None,
    k: int | None,
    weights: Weights | None,
    filter: Filter | None,
    rerank: AnswerRerank | None,
    conversation: Sequence[Turn],
) -> dict[str, Any]:
    """A question; what is None is left to the gateway."""
    body = query_body(query, image, k, weights, filter)
    if rerank is not None:
        body["rerank"] = rerank
    if conversation:
        body["conversation"] = [{"role": turn.role, "content": turn.content} for turn in conversation]
    return body
