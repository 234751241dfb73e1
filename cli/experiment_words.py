"""Variants and guardrails as they are written on a command line."""

from __future__ import annotations

from typing import Any

from contracts.errors import InvalidInput

_WEIGHTS = ("text_text", "text_image", "image_image", "lexical")


def variant(text: str) -> dict[str, Any]:
    """A variant from "NAME[@WEIGHT][:CHANGE=VALUE,...]", as the API has it.

    Raises:
        InvalidInput: it is not written so.
    """
    head, colon, tail = text.partition(":")
    name, at, weight = head.partition("@")
    if not name or (colon and not tail):
        raise InvalidInput(f"'{text}' is no variant: write NAME[@WEIGHT][:CHANGE=VALUE,...].")
    changes: dict[str, Any] = {}
    for part in tail.split(",") if tail else ():
        key, _, value = part.partition("=")
        if not value or key in changes:
            raise InvalidInput(f"'{part}' in '{text}' is no change: write CHANGE=VALUE, each once.")
        changes[key] = _weights(value) if key == "weights" else value
    return {"name": name, "changes": changes} | ({"weight": _number(weight, text)} if at else {})


def guardrail(text: str) -> dict[str, Any]:
    """A guardrail from "MEASURE[=MARGIN]". Raises InvalidInput."""
    measure, equals, margin = text.partition("=")
    return {"measure": measure} | ({"margin": _number(margin, text)} if equals else {})


def _weights(text: str) -> dict[str, float]:
    numbers = text.split("/")
    if len(numbers) != len(_WEIGHTS):
        raise InvalidInput("Weights of a variant are four numbers with slashes between them, such as 1/1/1/0.3.")
    return {name: _number(number, text) for name, number in zip(_WEIGHTS, numbers, strict=True)}


def _number(text: str, whole: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InvalidInput(f"'{text}' in '{whole}' is no number.") from None
