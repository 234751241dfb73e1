"""The job's order of things: batches, checkpoints, and what a second run does. Tasks are done in this process."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from contracts.batches import BatchEntry, BatchUpdate
from contracts.codec import encode
from contracts.errors import DependencyDown
from contracts.generations import Generation
from contracts.items import ClaimCheck
from contracts.topics import index_updates
from ingest.batch.checkpoint import BatchCheckpoint, Claim
from ingest.batch.job import BatchDone, BatchJob, Do
from ingest.batch.settings import BatchSettings
from ingest.batch.tasks import EmbedTask, FileTask, embed
from ingest.batch.work import DocumentEnd, Fault
from runtime.object_store import ObjectStore
from tests.ingest.harness import messages
from tests.ingest.memory_log import MemoryLog
from tests.ingest.samples import VERSION, document

NAMES = [f"n{number:02}" for number in range(10)]
PER_BATCH = 4
EMPTY = document("n05").doc_id
GENERATION = Generation(tenant="t", name="g-3", space_id="s", n_shards=3, state="serving", created_ms=1)


class Claims:
    """Claims what it is asked for, with versions that grow, as the log's do."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def names(self) -> list[str]:
        return NAMES

    async def claim(self, names: Sequence[str]) -> BatchCheckpoint:
        first = VERSION + len(self.asked)
        self.asked.extend(names)
        claims = [Claim(document=document(name), version=first + n) for n, name in enumerate(names)]
        return BatchCheckpoint(claims=tuple(claims))


class Here:
    """Does tasks at once; document n05 has no content. Fails before task number `fails_at`."""

    def __init__(self, fails_at: int | None = None) -> None:
        self.embedded: list[Claim] = []
        self._left = fails_at

    def run(self, do: Do, settings: BatchSettings, tasks: Sequence[bytes]) -> list[bytes]:
        return [self._embed(task) if do is embed else _file(task) for task in tasks]

    def _embed(self, data: bytes) -> bytes:
        if self._left == 0:
            raise DependencyDown("spark")
        self._left = None if self._left is None else self._left - 1
        claims = msgspec.msgpack.decode(data, type=EmbedTask).claims
        self.embedded.extend(claims)
        return msgspec.msgpack.encode([_end(claim) for claim in claims])


def _end(claim: Claim) -> DocumentEnd:
    doc_id = claim.document.doc_id
    faults = {"join": Fault(cause="no_content", reason="empty")} if doc_id == EMPTY else {}
    return DocumentEnd(doc_id=doc_id, version=claim.version, counts={}, faults=faults, revision=1)


def _file(data: bytes) -> bytes:
    task = msgspec.msgpack.decode(data, type=FileTask)
    return encode(
        BatchUpdate(
            tenant="t",
            batch_id=task.batch_id,
            generation=task.generation.name,
            space_id="s",
            claim=ClaimCheck(key=f"batches/{task.shard}", size_bytes=1, sha256="0" * 64),
            documents=tuple(BatchEntry("t", end.doc_id, end.version, end.revision) for end in task.ends),
        )
    )


async def run(root: Path, log: MemoryLog, claims: Claims, runner: Here) -> list[BatchDone]:
    settings = BatchSettings(
        kafka_bootstrap="none:1", object_store_url=f"file://{root}", triton_url="none:1", model_repository=root
    )
    store = ObjectStore.from_url(settings.object_store_url)
    return await BatchJob("job", settings, store, log, claims, [GENERATION], runner).run(PER_BATCH)


def in_index(log: MemoryLog) -> list[tuple[str, int]]:
    return [
        (entry.doc_id, entry.version)
        for update in messages(log, index_updates("g-3"), BatchUpdate)
        for entry in update.documents
    ]


async def test_every_document_is_in_one_record_and_those_without_content_in_none(tmp_path: Path) -> None:
    log = MemoryLog()
    done = await run(tmp_path, log, Claims(), Here())
    assert [(end.checkpoint.indexed, end.checkpoint.failed) for end in done] == [(4, 0), (3, 1), (2, 0)]
    expected = [document(name).doc_id for name in NAMES if document(name).doc_id != EMPTY]
    assert sorted(doc_id for doc_id, _ in in_index(log)) == sorted(expected)


async def test_a_second_run_passes_finished_batches_over_and_keeps_the_versions_of_claimed_documents(
    tmp_path: Path,
) -> None:
    log, claims = MemoryLog(), Claims()
    with pytest.raises(DependencyDown):
        await run(tmp_path, log, claims, Here(fails_at=1))
    assert claims.asked == NAMES[: 2 * PER_BATCH]
    again = Here()
    done = await run(tmp_path, log, claims, again)
    assert [end.was_done for end in done] == [True, False, False]
    assert claims.asked == NAMES
    assert [(claim.document.doc_id, claim.version) for claim in again.embedded] == [
        (document(name).doc_id, VERSION + number) for number, name in enumerate(NAMES) if number >= PER_BATCH
    ]
    assert len(in_index(log)) == len(set(in_index(log))) == len(NAMES) - 1


async def test_a_job_that_is_done_does_nothing_more(tmp_path: Path) -> None:
    log, claims = MemoryLog(), Claims()
    await run(tmp_path, log, claims, Here())
    before = len(in_index(log))
    done = await run(tmp_path, log, claims, Here(fails_at=0))
    assert all(end.was_done for end in done)
    assert (len(in_index(log)), claims.asked) == (before, NAMES)
