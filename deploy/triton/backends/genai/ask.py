"""What one request asks of the language model, read out of its tensors. Knows neither Triton nor the engine.

The tensors are those of `LLAMA_SPEC` in Trireme's contracts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MAX_STOPS = 8
MAX_STOP_CHARS = 200


@dataclass(frozen=True)
class Ask:
    """One answer to write. Exactly one of `messages` (JSON text), `prompt` and `input_ids` is set.

    Args:
        temperature: 0 takes the likeliest token.
        seed: of the sampling; None draws one.
        stop: texts that end the answer and do not belong to it.
    """

    messages: str | None
    prompt: str | None
    input_ids: tuple[int, ...] | None
    max_tokens: int
    min_tokens: int
    temperature: float
    top_p: float
    seed: int | None
    stop: tuple[str, ...]


def read_ask(tensors: Mapping[str, Any], *, longest: int) -> Ask:
    """Read a request's arrays by name; those that are absent take their defaults.

    `longest` is the most tokens an answer may have, and what one has for which nothing was asked.

    Raises:
        ValueError: something is out of range; the message is for the caller.
    """
    given = [name for name in ("messages", "prompt", "input_ids") if name in tensors]
    if len(given) != 1:
        raise ValueError("give exactly one of messages, prompt and input_ids")
    ask = Ask(
        messages=_text(tensors, "messages"),
        prompt=_text(tensors, "prompt"),
        input_ids=tuple(int(each) for each in tensors["input_ids"].reshape(-1))
        if "input_ids" in tensors
        else None,
        max_tokens=min(int(_one(tensors, "max_tokens", longest)), longest),
        min_tokens=int(_one(tensors, "min_tokens", 0)),
        temperature=float(_one(tensors, "temperature", 0.0)),
        top_p=float(_one(tensors, "top_p", 1.0)),
        seed=int(tensors["seed"].reshape(-1)[0]) if "seed" in tensors else None,
        stop=tuple(_decoded(each) for each in tensors["stop"].reshape(-1)) if "stop" in tensors else (),
    )
    _check(ask)
    return ask


def _check(ask: Ask) -> None:
    if ask.messages is not None:
        _check_messages(ask.messages)
    if ask.max_tokens < 1 or ask.min_tokens < 0:
        raise ValueError("max_tokens is at least 1 and min_tokens at least 0")
    if not 0.0 <= ask.temperature <= 2.0:
        raise ValueError("temperature is between 0 and 2")
    if not 0.0 < ask.top_p <= 1.0:
        raise ValueError("top_p is above 0 and at most 1")
    if ask.seed is not None and not 0 <= ask.seed < 2**31:
        raise ValueError("seed is between 0 and 2147483647")
    if len(ask.stop) > MAX_STOPS or any(not 0 < len(each) <= MAX_STOP_CHARS for each in ask.stop):
        raise ValueError(f"stop holds at most {MAX_STOPS} texts of 1 to {MAX_STOP_CHARS} characters")


def _check_messages(text: str) -> None:
    try:
        messages = json.loads(text)
    except ValueError as error:
        raise ValueError("messages is not JSON") from error
    well_formed = isinstance(messages, list) and all(
        isinstance(each, dict) and isinstance(each.get("role"), str) and isinstance(each.get("content"), str)
        for each in messages
    )
    if not messages or not well_formed:
        raise ValueError("messages is a list of objects with role and content")


def _one(tensors: Mapping[str, Any], name: str, default: float) -> Any:
    return tensors[name].reshape(-1)[0] if name in tensors else default


def _text(tensors: Mapping[str, Any], name: str) -> str | None:
    return _decoded(tensors[name].reshape(-1)[0]) if name in tensors else None


def _decoded(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
