"""Runs `trireme batch spark` over a folder as an operator does, until the last document is searchable."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.ingest.flow import StatusReader
from contracts.errors import DeadlineExceeded, DependencyDown
from contracts.ids import DEFAULT_TENANT, document_id
from stack.state import StackState

COLLECTION = "bench-batch"


@dataclass(frozen=True, slots=True)
class Job:
    """How a job went.

    Args:
        wall_s: from the start of the command to the last document searchable.
        batches_s: what the job says its batches took: without listing the source and the start of Spark.
    """

    documents: int
    wall_s: float
    batches_s: float
    failed: int


async def run_job(state: StackState, home: Path, folder: str, names: Sequence[str], *, timeout_s: float) -> Job:
    """Bring the files of a folder into the index by a Spark job.

    Args:
        names: of the files.

    Raises:
        DependencyDown: the job ended without a summary.
        DeadlineExceeded: some documents were not searchable within `timeout_s`.
    """
    open_ids = {document_id(DEFAULT_TENANT, COLLECTION, name) for name in names}
    n_documents = len(open_ids)
    reader = await asyncio.to_thread(StatusReader, state.kafka_bootstrap)
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cli.main", "batch", "spark", folder, "--collection", COLLECTION),
        *("--home", str(home), "--json"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    failed = 0
    try:
        while open_ids:
            if time.perf_counter() - began > timeout_s:
                raise DeadlineExceeded(f"{len(open_ids)} of {n_documents} documents are not searchable.")
            if process.returncode not in {None, 0, 1}:
                raise DependencyDown("spark", f"The job ended with {process.returncode}.")
            for event in await asyncio.to_thread(reader.read, 0.2):
                ended = event.state == "failed" or (event.stage == "shard" and event.state == "done")
                if ended and event.doc_id in open_ids:
                    open_ids.discard(event.doc_id)
                    failed += event.state == "failed"
        wall_s = time.perf_counter() - began
        told, _ = await process.communicate()
    finally:
        await asyncio.to_thread(reader.close)
        if process.returncode is None:
            process.kill()
            await process.wait()
    summary = json.loads(told)
    return Job(n_documents, wall_s, n_documents / summary["documents_per_second"], failed)
