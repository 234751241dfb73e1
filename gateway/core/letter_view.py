"""Dead letters as the API shows them, and what a document's status says of an operator's deed. Pure."""

from collections.abc import Iterable

import msgspec

from contracts.api import DocumentView
from contracts.codec import decode
from contracts.documents import DeadLetter, FileAdded
from contracts.errors import BadMessage
from contracts.halves import HalfReady
from contracts.letters import REQUEUED, Again, DeadLetterView, KeptLetter, LetterState
from contracts.status import StageEvent
from gateway.core.status_view import Position

_REQUEUED_REASON = "An operator put it back into the queue."


def letter_view(kept: KeptLetter, *, whole: bool = False) -> DeadLetterView:
    """A letter for callers.

    Args:
        whole: with the record that was given up, where it is JSON.
    """
    letter, end = kept.letter, kept.end
    document = _document(letter)
    return DeadLetterView(
        id=kept.place.id,
        doc_id=letter.doc_id,
        version=letter.version,
        stage=letter.stage,
        cause=letter.cause,
        reason=letter.reason,
        attempt=letter.attempt,
        at_ms=letter.at_ms,
        trace_id=letter.trace_id,
        uri=letter.uri,
        origin_topic=letter.origin_topic,
        payload_bytes=len(letter.payload),
        source=document.source_key if document else None,
        collection=document.collection if document else None,
        state=kept.state,
        ended_at_ms=end.at_ms if end else None,
        ended_by=end.by if end else None,
        note=end.note if end else None,
        record=_json(letter) if whole else None,
    )


def page_of(
    letters: Iterable[KeptLetter], *, state: LetterState | None, after: Position | None, limit: int
) -> tuple[list[KeptLetter], Position | None]:
    """One page of letters, the newest first, and where the next one begins (None after the last)."""
    placed = {position_of(kept): kept for kept in letters if state in (None, kept.state)}
    order = sorted((place for place in placed if after is None or place < after), reverse=True)
    more = order[limit - 1] if len(order) > limit else None
    return [placed[place] for place in order[:limit]], more


def position_of(kept: KeptLetter) -> Position:
    """A letter's place in a list by time."""
    return Position(max(0, kept.letter.at_ms), kept.place.id)


def requeued_event(letter: DeadLetter, again: Again, view: DocumentView, at_ms: int) -> StageEvent | None:
    """What the letter's stage says once its work waits again; None where it has said something since."""
    if not _stands_failed(letter, again.version, view):
        return None
    document = again.document
    return StageEvent(
        tenant=letter.tenant,
        doc_id=view.doc_id,
        version=again.version,
        stage=letter.stage,
        state="retrying",
        at_ms=at_ms,
        op=again.op,
        revision=again.revision,
        cause=REQUEUED,
        reason=_REQUEUED_REASON,
        trace_id=letter.trace_id,
        collection=view.collection,
        source_key=view.source,
        content_type=view.content_type,
        size_bytes=view.size_bytes,
        uri=document.uri if document else None,
    )


def discarded_event(letter: DeadLetter, view: DocumentView, at_ms: int, note: str | None) -> StageEvent | None:
    """What the letter's stage says once an operator has set the work aside; None where it has said more since."""
    if not _stands_failed(letter, letter.version, view):
        return None
    stage = next(stage for stage in view.stages if stage.stage == letter.stage)
    told = f" An operator has set it aside: {note}" if note else " An operator has set it aside."
    return StageEvent(
        tenant=letter.tenant,
        doc_id=view.doc_id,
        version=letter.version,
        stage=letter.stage,
        state="failed",
        at_ms=at_ms,
        op="delete" if view.state in {"deleting", "deleted"} else "upsert",
        revision=stage.revision,
        cause=letter.cause,
        reason=letter.reason + told,
        trace_id=letter.trace_id,
        collection=view.collection,
        source_key=view.source,
        content_type=view.content_type,
        size_bytes=view.size_bytes,
        attempt=letter.attempt,
    )


def _stands_failed(letter: DeadLetter, version: int, view: DocumentView) -> bool:
    """Whether the letter is the last word of its stage: the stage then says nothing more by itself."""
    return view.version == version and any(
        stage.stage == letter.stage and stage.state == "failed" for stage in view.stages
    )


def _document(letter: DeadLetter) -> FileAdded | None:
    try:
        if letter.stage == "join":
            return decode(HalfReady, letter.payload).document
        return None if letter.stage == "shard" else decode(FileAdded, letter.payload)
    except BadMessage:
        return None


def _json(letter: DeadLetter) -> object:
    try:
        record: object = msgspec.json.decode(letter.payload)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return record
