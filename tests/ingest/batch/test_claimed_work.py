"""A batch job's own documents: the workers leave them alone, and take one over that somebody requeues."""

import msgspec
import pytest

from contracts.codec import encode
from contracts.topics import FILE_ADDED
from ingest.batch.checkpoint import Claim
from ingest.batch.reporting import told_of
from ingest.batch.work import DocumentEnd, Fault, shards_of, stage_work
from tests.ingest.harness import Clock, RunningWorker, eventually, states
from tests.ingest.memory_log import MemoryLog
from tests.ingest.samples import VERSION, document
from tests.ingest.test_worker import Planned

CLAIM = Claim(document=document("a"), version=VERSION)


def end(doc_id: str, faults: dict[str, Fault]) -> DocumentEnd:
    return DocumentEnd(doc_id=doc_id, version=VERSION, counts={"text": 2}, faults=faults, revision=1)


async def test_workers_commit_past_a_claimed_document_and_do_nothing_about_it() -> None:
    log, handler = MemoryLog(n_partitions=1), Planned()
    claimed = msgspec.structs.replace(document("claimed"), lane="bulk", claimed_by="job")
    log.send_bytes(FILE_ADDED, encode(claimed), key=claimed.doc_id)
    log.send_bytes(FILE_ADDED, encode(document("other")), key=document("other").doc_id)
    async with RunningWorker(log, handler, Clock()) as worker:
        await eventually(worker.done)
    assert [work.document.doc_id for work in handler.seen] == [document("other").doc_id]
    assert states(log, claimed.doc_id) == []


def test_what_is_requeued_of_a_failed_document_is_claimed_by_nobody() -> None:
    work = stage_work(CLAIM, "text")
    assert work.document.claimed_by is None
    assert work.payload == encode(CLAIM.document)


@pytest.mark.parametrize(
    ("faults", "letters"),
    [
        ({}, 0),
        ({"text": Fault(cause="encrypted", reason="locked")}, 1),
        ({"text": Fault(cause="no_content", reason="empty"), "join": Fault(cause="no_content", reason="none")}, 1),
        ({"join": Fault(cause="too_many_items", reason="many")}, 1),
        ({"text": Fault(cause=None, reason="newer"), "join": Fault(cause=None, reason="newer")}, 0),
    ],
)
def test_every_stage_has_its_status_and_each_failure_one_dead_letter(
    faults: dict[str, Fault], letters: int
) -> None:
    told = told_of(CLAIM, end(CLAIM.document.doc_id, faults), 1)
    topics = [outgoing.topic for outgoing in told]
    assert topics.count("document_status") == 3
    assert len(topics) - 3 == letters


def test_documents_without_items_reach_no_shard() -> None:
    failed = end("00" * 16, {"join": Fault(cause="no_content", reason="none")})
    kept = [end(f"{n:032x}", {}) for n in range(50)]
    shards = shards_of([failed, *kept], 3)
    assert sorted(each.doc_id for theirs in shards.values() for each in theirs) == [each.doc_id for each in kept]
