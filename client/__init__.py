"""Typed HTTP client of the gateway. Knows `contracts`, httpx and msgspec, nothing else of Trireme."""

from client.answers import AnswerCitations, AnswerDelta, AnswerDocuments, AnswerDone, AnswerEvent
from client.client import TriremeClient

__all__ = [
    "AnswerCitations",
    "AnswerDelta",
    "AnswerDocuments",
    "AnswerDone",
    "AnswerEvent",
    "TriremeClient",
]
