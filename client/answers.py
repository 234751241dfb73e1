"""An answer as it arrives: server-sent events of `POST /v1/answer` as typed events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import msgspec

from client.problems import transport_errors
from contracts.api import AnswerResponse, Citation, Coverage, SearchHit, ServedBy
from contracts.errors import BadMessage, DependencyDown


@dataclass(frozen=True, slots=True)
class AnswerDocuments:
    """First: what the answer will be drawn from, what it was searched for with, and which generator writes it."""

    documents: list[SearchHit]
    generator: str
    coverage: Coverage
    served_by: ServedBy
    searched_for: str = ""


@dataclass(frozen=True, slots=True)
class AnswerDelta:
    """A piece of text as it is written; its citations are not checked yet."""

    text: str


@dataclass(frozen=True, slots=True)
class AnswerCitations:
    """The citations whose quote stands in the source."""

    citations: list[Citation]
    citations_dropped: int


@dataclass(frozen=True, slots=True)
class AnswerDone:
    """Last: the whole answer."""

    response: AnswerResponse


AnswerEvent = AnswerDocuments | AnswerDelta | AnswerCitations | AnswerDone

_KINDS: dict[str, type[AnswerDocuments] | type[AnswerDelta] | type[AnswerCitations]] = {
    "documents": AnswerDocuments,
    "delta": AnswerDelta,
    "citations": AnswerCitations,
}


def read_events(lines: Iterable[str]) -> Iterator[AnswerEvent]:
    """Typed events from the lines of an event stream; kinds that a newer gateway may send are left out.

    Raises:
        BadMessage: an event does not have its form. DependencyDown: the stream ended before the answer did.
    """
    for name, data in server_sent(lines):
        try:
            if name == "done":
                yield AnswerDone(msgspec.json.decode(data, type=AnswerResponse))
                return
            kind = _KINDS.get(name)
            if kind is not None:
                yield msgspec.json.decode(data, type=kind)
        except msgspec.DecodeError as exc:
            raise BadMessage(f"The gateway's event '{name}' does not have the expected form.") from exc
    raise DependencyDown("gateway", "The gateway broke the answer off.")


def server_sent(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Name and data of each event (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""
    name, data = "message", ""
    with transport_errors():
        for line in lines:
            if line.startswith("event:"):
                name = line.removeprefix("event:").strip()
            elif line.startswith("data:"):
                data += line.removeprefix("data:").strip()
            elif not line and data:
                yield name, data
                name, data = "message", ""
