"""A document's folded status as the API shows it, and cursors of lists. The fold itself is `contracts.status`."""

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from contracts.api import DocumentView, StageView
from contracts.errors import InvalidInput
from contracts.status import STATUS_STAGES, DocumentStatus, StageEvent, StatusStage

T = TypeVar("T")

_FOREIGN_CURSOR = "The cursor is not one that a list gave."
# Far from any real time, and still a number that SQLite can compare.
_LATEST_MS = 2**62
# States that no further event of the same version is needed for.
SETTLED = frozenset({"indexed", "failed", "deleted", "expired", "superseded"})


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """Where a page of a list of documents ended."""

    added_ms: int
    doc_id: str

    def cursor(self) -> str:
        """The position as callers carry it."""
        return base64.urlsafe_b64encode(f"{self.added_ms}.{self.doc_id}".encode()).decode()


def read_cursor(cursor: str) -> Position:
    """The position behind a cursor.

    Raises:
        InvalidInput: no cursor of ours.
    """
    try:
        added_ms, _, doc_id = base64.urlsafe_b64decode(cursor.encode()).decode().partition(".")
        position = Position(int(added_ms), doc_id)
    except (binascii.Error, ValueError) as exc:
        raise InvalidInput(_FOREIGN_CURSOR) from exc
    if not 0 <= position.added_ms < _LATEST_MS:
        raise InvalidInput(_FOREIGN_CURSOR)
    return position


def view_of(status: DocumentStatus) -> DocumentView:
    """What `GET /v1/documents/{id}` answers, stages in the order in which a document passes them.

    Names and sizes come from the door's event, or from any other that carries them.
    """
    door = status.stages.get("door")
    known = [event for event in (door, *status.stages.values()) if event is not None]
    return DocumentView(
        doc_id=status.doc_id,
        state=status.state,
        version=status.version,
        visible_version=status.visible_version,
        source=_first(event.source_key for event in known),
        collection=_first(event.collection for event in known),
        content_type=_first(event.content_type for event in known),
        size_bytes=_first(event.size_bytes for event in known),
        reason=status.reason,
        trace_id=_first(event.trace_id for event in known),
        stages=_stage_views(status.stages),
        sha256=_first(event.sha256 for event in known),
        etag=_first(event.etag for event in known),
        readers=list(_first(event.readers or None for event in known) or ()),
    )


def _stage_views(stages: Mapping[StatusStage, StageEvent]) -> list[StageView]:
    return [
        StageView(
            stage=stage,
            state=event.state,
            at_ms=event.at_ms,
            cause=event.cause,
            reason=event.reason,
            count=event.count,
            revision=event.revision,
            attempt=event.attempt,
        )
        for stage in STATUS_STAGES
        if (event := stages.get(stage)) is not None
    ]


def _first(values: Iterable[T | None]) -> T | None:
    return next((value for value in values if value is not None), None)
