"""What to do about a failure: wait and try again, give up, or forget it. Pure: no clock, no log, no Kafka."""

from dataclasses import dataclass

from contracts.errors import (
    DeadlineExceeded,
    DependencyDown,
    DependencyFailed,
    DocumentFailed,
    Overloaded,
    Superseded,
    TriremeError,
)
from contracts.topics import RETRY_DELAYS_S

PASSING = (DependencyDown, DependencyFailed, Overloaded, DeadlineExceeded)
INTERNAL = "internal"
RETRIES_EXHAUSTED = "retries_exhausted"
_INTERNAL_REASON = "Something went wrong inside the worker; the operators' log says what."


@dataclass(frozen=True, slots=True)
class TryAgain:
    """A passing failure: the work waits `delay_s` and is tried again."""

    delay_s: int
    cause: str
    reason: str


@dataclass(frozen=True, slots=True)
class GiveUp:
    """No try will help, or there were enough: the work becomes a dead letter."""

    cause: str
    reason: str


@dataclass(frozen=True, slots=True)
class Void:
    """The work has lost its object: a newer version is on its way."""

    reason: str


Verdict = TryAgain | GiveUp | Void


def judge(error: Exception, attempt: int, delays_s: tuple[int, ...] = RETRY_DELAYS_S) -> Verdict:
    """Decide about a failed try.

    Args:
        attempt: tries made before the one that failed.
        delays_s: waits between tries; after the last one the work is given up.
    """
    if isinstance(error, Superseded):
        return Void(error.message)
    if isinstance(error, TriremeError) and not isinstance(error, PASSING):
        return GiveUp(_document_cause(error), error.message)
    cause, reason = _passing_cause(error)
    if attempt < len(delays_s):
        return TryAgain(delays_s[attempt], cause, f"{reason} It is tried again in {_in_words(delays_s[attempt])}.")
    return GiveUp(RETRIES_EXHAUSTED, f"Given up after {attempt + 1} tries. {reason}")


def _document_cause(error: TriremeError) -> str:
    return error.cause if isinstance(error, DocumentFailed) else error.code


def _passing_cause(error: Exception) -> tuple[str, str]:
    if isinstance(error, DependencyDown | DependencyFailed):
        return f"{error.code}_{error.dependency}", error.message
    if isinstance(error, TriremeError):
        return error.code, error.message
    return INTERNAL, _INTERNAL_REASON


def _in_words(delay_s: int) -> str:
    return f"{delay_s} seconds" if delay_s < 60 else f"{delay_s // 60} minutes"
