"""`trireme batch spark SOURCE`: a folder or bucket into the index by a Spark job, batch by batch."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from cli.console import JsonOption, err, out, print_json
from cli.target import HomeOption, running_stack
from contracts.batches import DOCUMENTS_PER_BATCH
from contracts.errors import InvalidInput, NotFound
from contracts.ids import DEFAULT_COLLECTION, DEFAULT_TENANT
from ingest.batch.claiming import Claiming, job_id
from ingest.batch.job import BatchDone, BatchJob
from ingest.batch.settings import BatchSettings
from ingest.batch.spark import SparkRunner
from ingest.live_generations import live
from runtime.generations import read_generations
from runtime.kafka_producer import KafkaProducer
from runtime.log_epoch import read_log_epoch
from runtime.object_store import ObjectStore
from runtime.publishing import DocumentPublisher

_TIMEOUT_S = 10.0


def run(
    source: Annotated[str, typer.Argument(help="A folder, file:///folder or s3://bucket/prefix.")],
    master: Annotated[
        str, typer.Option("--master", help="Where Spark runs: local[2], spark://..., yarn, k8s://...")
    ] = "local[2]",
    collection: Annotated[
        str, typer.Option("--collection", help="Put the documents into this collection.")
    ] = DEFAULT_COLLECTION,
    per_batch: Annotated[
        int, typer.Option("--per-batch", min=1, max=DOCUMENTS_PER_BATCH, help="Documents of one batch.")
    ] = DOCUMENTS_PER_BATCH,
    per_hour: Annotated[
        float, typer.Option("--per-hour", min=0, help="What the machines cost an hour, for the cost of 1,000.")
    ] = 0.0,
    triton: Annotated[str | None, typer.Option("--triton", help="Triton's gRPC door; the stack's else.")] = None,
    repository: Annotated[
        Path, typer.Option("--repository", help="The model repository, at this path on every worker.")
    ] = Path("model_repository"),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what there is to do, and do nothing.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring a source into the index. Killed and called again, it goes on where it was."""
    url = _source_url(source)
    names = asyncio.run(_names(url))
    if dry_run:
        n_batches = -(-len(names) // per_batch)
        out.print(f"{len(names)} documents in {n_batches} batches of up to {per_batch}; nothing was done.")
        return
    state = running_stack(home)
    settings = BatchSettings(
        kafka_bootstrap=state.kafka_bootstrap,
        object_store_url=state.object_store_url,
        triton_url=triton or f"127.0.0.1:{state.process('triton').ports['grpc']}",
        model_repository=repository.resolve(),
    )
    began = time.monotonic()
    ends = asyncio.run(_run(url, settings, master, collection, per_batch))
    summary = _summary(ends, time.monotonic() - began, per_hour)
    if as_json:
        print_json(summary)
    else:
        out.print(", ".join(f"{name.replace('_', ' ')} {value}" for name, value in summary.items()))
    if summary["failed"]:
        raise typer.Exit(1)


async def _names(url: str) -> list[str]:
    return [meta.key async for meta in ObjectStore.from_url(url).list("")]


async def _run(url: str, settings: BatchSettings, master: str, collection: str, per_batch: int) -> list[BatchDone]:
    store = ObjectStore.from_url(settings.object_store_url)
    generations = live(
        list((await asyncio.to_thread(read_generations, settings.kafka_bootstrap, timeout_s=_TIMEOUT_S)).values())
    )
    job = job_id(url, DEFAULT_TENANT, collection, per_batch)
    producer = KafkaProducer(settings.kafka_bootstrap, settings.process)
    try:
        claiming = Claiming(
            job,
            ObjectStore.from_url(url),
            store,
            DocumentPublisher(store, producer, await read_log_epoch(store)),
            [generation.name for generation in generations],
            tenant=DEFAULT_TENANT,
            collection=collection,
        )
        with SparkRunner(master) as runner:
            whole = BatchJob(job, settings, store, producer, claiming, generations, runner)
            return await whole.run(per_batch, _told)
    finally:
        await asyncio.to_thread(producer.close)


def _told(done: BatchDone) -> None:
    made = done.checkpoint
    how = "done before" if done.was_done else f"{made.seconds:.1f} s"
    err.print(
        f"  batch {done.number + 1} of {done.of}: {made.indexed} indexed, {made.failed} failed, "
        f"{made.skipped} there already ({how})"
    )


def _summary(ends: list[BatchDone], seconds: float, per_hour: float) -> dict[str, float]:
    made = [end.checkpoint for end in ends if not end.was_done]
    n_done = sum(each.indexed + each.failed for each in made)
    busy_s = sum(each.seconds for each in made)
    return {
        "indexed": sum(each.indexed for each in made),
        "failed": sum(each.failed for each in made),
        "skipped": sum(each.skipped for each in made),
        "batches_done_before": sum(end.was_done for end in ends),
        "seconds": round(seconds, 1),
        "documents_per_second": round(n_done / busy_s, 2) if busy_s else 0.0,
        "cost_per_1000": round(per_hour * busy_s / 3600 / n_done * 1000, 4) if n_done else 0.0,
    }


def _source_url(source: str) -> str:
    if urlsplit(source).scheme in {"file", "s3"}:
        return source
    folder = Path(source)
    if not folder.exists():
        raise NotFound(f"There is no folder {source}.")
    if not folder.is_dir():
        raise InvalidInput("The source must be a folder, or a URL file:///folder or s3://bucket/prefix.")
    return f"file://{folder.resolve()}"
