"""Changes of documents as they arrive: server-sent events of `GET /v1/documents/events`, typed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import msgspec

from client.answers import server_sent
from contracts.api import DocumentView
from contracts.errors import BadMessage


@dataclass(frozen=True, slots=True)
class Changed:
    """One event of the stream.

    Args:
        kind: "document" with its view; "reload": read the list; "mark": everything up to `mark` was told;
            "end": the gateway ends the stream, because its reader was too slow.
        mark: what to name as `since` after a break.
    """

    kind: Literal["document", "reload", "mark", "end"]
    view: DocumentView | None = None
    mark: str | None = None


def read_changes(lines: Iterable[str]) -> Iterator[Changed]:
    """Typed events from the lines of the stream; kinds that a newer gateway may send are left out.

    Raises:
        BadMessage: an event does not have its form.
    """
    mark: str | None = None

    def noting(lines: Iterable[str]) -> Iterator[str]:
        nonlocal mark
        for line in lines:
            if line.startswith("id:"):
                mark = line.removeprefix("id:").strip()
            yield line

    for name, data in server_sent(noting(lines)):
        try:
            if name == "document":
                yield Changed("document", msgspec.json.decode(data, type=DocumentView), mark)
        except msgspec.DecodeError as exc:
            raise BadMessage("The gateway's news of a document do not have the expected form.") from exc
        if name in ("reload", "mark"):
            yield Changed("reload" if name == "reload" else "mark", mark=mark)
        elif name == "end":
            yield Changed("end", mark=mark)
            return
