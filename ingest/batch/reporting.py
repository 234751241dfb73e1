"""What a batch job tells the world of its documents: the same events and dead letters as the workers'. Pure."""

from collections.abc import Sequence

from contracts.topics import Stage
from ingest import reports
from ingest.batch.checkpoint import Claim
from ingest.batch.work import DocumentEnd, stage_work
from ingest.verdicts import GiveUp
from ingest.work import Outgoing

_STAGES: tuple[Stage, ...] = ("text", "image", "join")


def told_of(claim: Claim, end: DocumentEnd, now_ms: int) -> Sequence[Outgoing]:
    """A status event of every stage, and a dead letter of each that gave the document up."""
    outgoing: list[Outgoing] = []
    for stage in _STAGES:
        work, fault = stage_work(claim, stage), end.faults.get(stage)
        if fault is None:
            revision = end.revision if stage == "join" else None
            event = reports.stage_event(work, "done", now_ms, count=end.counts.get(stage, 0), revision=revision)
        elif fault.cause is None:
            event = reports.stage_event(work, "superseded", now_ms, reason=fault.reason)
        else:
            event = reports.stage_event(work, "failed", now_ms, cause=fault.cause, reason=fault.reason)
            # Where nothing came of either half, their letters say why.
            if stage != "join" or len(end.faults) == 1:
                outgoing.append(reports.dead_letter(work, GiveUp(fault.cause, fault.reason), now_ms))
        outgoing.append(reports.status(event))
    return outgoing
