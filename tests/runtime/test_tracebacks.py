"""What logs say of an exception: where, of which kind, and of our own also why."""

from __future__ import annotations

import pytest

from contracts.errors import DependencyDown
from runtime.tracebacks import traceback_of

TEXT = "a line of somebody's document"


def deep(n: int, error: BaseException) -> None:
    if n == 0:
        raise error
    deep(n - 1, error)


def fail(error: BaseException, cause: BaseException | None) -> None:
    if cause is None:
        deep(6, error)
    try:
        deep(0, cause or error)
    except BaseException as exc:
        raise error from exc


def caught(error: BaseException, cause: BaseException | None = None) -> BaseException:
    with pytest.raises(type(error)) as told:
        fail(error, cause)
    return told.value


def test_places_and_kinds_are_told_and_messages_of_others_are_not() -> None:
    told = traceback_of(caught(ValueError(TEXT), cause=KeyError(TEXT)))
    assert TEXT not in told
    first, second = told.split("The above exception was the direct cause of the following exception:")
    assert first.rstrip().endswith("KeyError")
    assert second.rstrip().endswith("ValueError")
    assert first.count("test_tracebacks.py") == 2


def test_what_was_being_handled_is_told_too() -> None:
    try:
        try:
            raise KeyError(TEXT)
        except KeyError:
            raise ValueError(TEXT)  # noqa: B904 - the case in question
    except ValueError as exc:
        told = traceback_of(exc)
    assert "During handling of the above exception" in told
    assert told.index("KeyError") < told.rindex("ValueError")
    assert TEXT not in told


def test_our_own_errors_have_their_sentence_and_the_systems_their_number() -> None:
    assert "DependencyDown: " + DependencyDown("triton").message in traceback_of(caught(DependencyDown("triton")))
    assert traceback_of(caught(OSError(28, TEXT))).rstrip().endswith("OSError: errno 28")


def test_groups_tell_what_is_in_them() -> None:
    group = ExceptionGroup(TEXT, [ValueError(TEXT), TypeError(TEXT)])
    assert traceback_of(caught(group)).rstrip().endswith("ExceptionGroup of ValueError, TypeError")


def test_only_the_innermost_frames_are_told_where_so_many_are_asked_for() -> None:
    assert traceback_of(caught(ValueError(TEXT)), frames=4).count("test_tracebacks.py") == 4
