"""Exceptions as logs show them: where and of which kind, not what other people's code had to say.

A library's message may repeat what it was given: a line of a document, a question, an address with a password.
Messages of our own errors are sentences for callers and hold none of it.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator

from contracts.errors import TriremeError

_CAUSE = "\nThe above exception was the direct cause of the following exception:\n\n"
_CONTEXT = "\nDuring handling of the above exception, another exception occurred:\n\n"
_MOST = 20


def traceback_of(error: BaseException, *, frames: int | None = None) -> str:
    """The traceback of an error and of what it came from, without messages that are not ours.

    Args:
        frames: so many of the innermost frames of each error; all by default.
    """
    chain: list[str] = []
    for told, link in _chain(error):
        stack = traceback.StackSummary.extract(traceback.walk_tb(told.__traceback__), lookup_lines=True)
        shown = stack if frames is None else traceback.StackSummary.from_list(stack[-frames:])
        chain.append(f"{link}Traceback (most recent call last):\n{''.join(shown.format())}{_named(told)}\n")
    return "".join(chain)


def _chain(error: BaseException) -> Iterator[tuple[BaseException, str]]:
    """The errors of a chain, the first one first, each with the words that join it to the one before."""
    found: list[tuple[BaseException, str]] = []
    current: BaseException | None = error
    while current is not None and len(found) < _MOST:
        before = current.__cause__
        link = _CAUSE if before is not None else ""
        if before is None and not current.__suppress_context__ and current.__context__ is not None:
            before, link = current.__context__, _CONTEXT
        found.append((current, link))
        current = before
    if current is not None:
        found[-1] = (found[-1][0], "")
    return reversed(found)


def _named(error: BaseException) -> str:
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    if isinstance(error, TriremeError):
        return f"{name}: {error.message}"
    if isinstance(error, OSError) and error.errno is not None:
        return f"{name}: errno {error.errno}"
    if isinstance(error, BaseExceptionGroup):
        return f"{name} of {', '.join(_named(each) for each in error.exceptions[:_MOST])}"
    return name
