"""What happened to a document: stage events on the log, and the pure fold that turns them into a state.

Topic `document_status`, compacted, key `doc_id|version|stage`, partitioned by `doc_id`; one writer per key.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from contracts.codec import Message

StatusStage = Literal["door", "text", "image", "join", "shard"]
STATUS_STAGES: tuple[StatusStage, ...] = ("door", "text", "image", "join", "shard")
StageState = Literal["running", "done", "retrying", "failed", "superseded"]
DocumentStateName = Literal["processing", "indexed", "failed", "deleting", "deleted", "expired", "superseded"]


class StageEvent(Message, frozen=True, kw_only=True):
    """The latest word of one stage about one version of a document.

    Args:
        op: "upsert", or "delete"/"expire" for a version that removes the document.
        revision: set by join and shard: 0 one-sided, 1 joined, 2 expired.
        cause: short stable code where the state is "failed" or "retrying"; `reason` says it in a sentence.
        count: chunks, pictures or items that the stage made.
        etag, sha256: of the file, as `FileAdded` named them; of a delete, None.
        readers: groups that may see the document; empty for all.
        attempt: which try this is about, the first being 1; None where nothing is tried again.
    """

    doc_id: str
    version: int
    stage: StatusStage
    state: StageState
    at_ms: int
    op: Literal["upsert", "delete", "expire"] = "upsert"
    revision: int | None = None
    cause: str | None = None
    reason: str | None = None
    count: int | None = None
    trace_id: str | None = None
    collection: str | None = None
    source_key: str | None = None
    content_type: str | None = None
    size_bytes: int | None = None
    uri: str | None = None
    etag: str | None = None
    sha256: str | None = None
    attempt: int | None = None
    readers: tuple[str, ...] = ()


def status_key(event: StageEvent) -> str:
    """Compaction key of a stage event."""
    return f"{event.doc_id}|{event.version}|{event.stage}"


@dataclass(frozen=True, slots=True)
class DocumentStatus:
    """The folded state of a document.

    Args:
        state: of the newest version.
        version: the newest version seen.
        visible_version: the version that searches find now, or None.
        stages: newest version's events by stage.
        reason: why it failed, or which half is missing.
    """

    doc_id: str
    tenant: str
    state: DocumentStateName
    version: int
    visible_version: int | None
    reason: str | None
    stages: Mapping[StatusStage, StageEvent] = field(default_factory=dict)


def newer(event: StageEvent, known: StageEvent | None) -> bool:
    """Whether `event` replaces what is known of its key: later revisions win, then later records."""
    if known is None:
        return True
    return (event.revision or 0) >= (known.revision or 0)


def fold(events: Iterable[StageEvent]) -> DocumentStatus:
    """State of one document from the latest event of each (version, stage). Order does not matter.

    Raises:
        ValueError: no events, or events of several documents.
    """
    by_version: dict[int, dict[StatusStage, StageEvent]] = {}
    doc_ids = set()
    for event in events:
        doc_ids.add(event.doc_id)
        stages = by_version.setdefault(event.version, {})
        if newer(event, stages.get(event.stage)):
            stages[event.stage] = event
    if len(doc_ids) != 1:
        raise ValueError("fold() takes the events of exactly one document")
    version = max(by_version)
    newest = by_version[version]
    state, reason = _state_of(newest)
    some = next(iter(newest.values()))
    return DocumentStatus(
        doc_id=some.doc_id,
        tenant=some.tenant,
        state=state,
        version=version,
        visible_version=_visible(by_version),
        reason=reason,
        stages=newest,
    )


def _visible(by_version: Mapping[int, Mapping[StatusStage, StageEvent]]) -> int | None:
    for version in sorted(by_version, reverse=True):
        shard = by_version[version].get("shard")
        if shard is not None and shard.state == "done":
            return version if shard.op == "upsert" else None
    return None


def _state_of(stages: Mapping[StatusStage, StageEvent]) -> tuple[DocumentStateName, str | None]:
    shard = stages.get("shard")
    failed = next((e for stage in STATUS_STAGES if (e := stages.get(stage)) and e.state == "failed"), None)
    if shard is not None and shard.state == "done":
        if shard.op == "expire":
            return "expired", None
        if shard.op == "delete":
            return "deleted", None
        return "indexed", failed.reason if failed else None
    if any(event.op == "delete" for event in stages.values()):
        return "deleting", failed.reason if failed else None
    if failed is not None and not _may_still_be_indexed(stages):
        return "failed", failed.reason
    if any(event.state == "superseded" for event in stages.values()):
        return "superseded", "A newer version of the file replaced this one while it was being read."
    waiting = next((e.reason for e in stages.values() if e.state == "retrying"), None)
    return "processing", waiting


def _may_still_be_indexed(stages: Mapping[StatusStage, StageEvent]) -> bool:
    """One half has failed: the other may still make a one-sided item set."""
    if any(stages[s].state == "failed" for s in ("door", "join", "shard") if s in stages):
        return False
    return any(_may_bring_items(stages.get(half)) for half in ("text", "image"))


def _may_bring_items(half: StageEvent | None) -> bool:
    """Whether a half holds something to search, or has not ended yet."""
    if half is None or half.state in ("running", "retrying"):
        return True
    return half.state == "done" and (half.count or 0) > 0
