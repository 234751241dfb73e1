"""`trireme index import FILE`: an exported index into the one that runs here, through the log."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from cli.console import JsonOption, err, out, print_json
from cli.index_target import (
    DoorOption,
    GenerationOption,
    HeldShard,
    IndexTarget,
    KafkaOption,
    ObjectsOption,
    index_target,
    spec_of,
)
from cli.target import HomeOption
from contracts.errors import Conflict
from contracts.topics import FILE_PARTITIONS

if TYPE_CHECKING:
    from index_service.exchange.importing import ImportReport
    from index_service.exchange.parquet import ItemFile
    from runtime.object_store import ObjectStore


def run(
    file: Annotated[Path, typer.Argument(help="Parquet file that `trireme index export` wrote.")],
    raise_epoch: Annotated[
        int | None,
        typer.Option(
            "--raise-epoch",
            min=1,
            help="Raise the epoch of this log first, so that its versions come after those of the file's log.",
        ),
    ] = None,
    doors: DoorOption = None,
    kafka: KafkaOption = None,
    objects: ObjectsOption = None,
    generation: GenerationOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring exported documents into the index, each at its own version. May be repeated.

    What the index holds at the same or a newer version, or knows to be removed, stays as it is. Everything is
    checked before anything is sent. Exit status 1 when a shard refused something.
    """
    from index_service.exchange.parquet import ItemFile
    from runtime.object_store import ObjectStore

    target = index_target(home, doors=doors, kafka=kafka, objects=objects, generation=generation)
    store = ObjectStore.from_url(target.objects_url)
    if raise_epoch is not None:
        _raise_epoch(store, raise_epoch)
    exported = ItemFile(file)
    exported.header()
    with ExitStack() as closing:
        report = asyncio.run(_import(target, target.primaries(closing), exported, store))
    if as_json:
        print_json(report)
    else:
        out.print(
            f"{report.imported} imported, {report.already_there} already there, "
            f"{report.newer_there} newer there, {report.refused} refused"
        )
    if report.refused:
        raise typer.Exit(1)


def _raise_epoch(store: ObjectStore, epoch: int) -> None:
    from runtime.log_epoch import raise_log_epoch, read_log_epoch

    async def work() -> tuple[int, int]:
        return await read_log_epoch(store), await raise_log_epoch(store, epoch)

    before, after = asyncio.run(work())
    if after != before:
        raise Conflict(
            f"The log's epoch is now {after}. Restart the stack, so that every process knows, and import again."
        )


async def _import(
    target: IndexTarget, shards: list[HeldShard], exported: ItemFile, store: ObjectStore
) -> ImportReport:
    from index_service.exchange.importing import Import, given_out
    from runtime.kafka_producer import KafkaProducer
    from runtime.log_epoch import read_log_epoch

    newest = given_out(target.kafka, await read_log_epoch(store), FILE_PARTITIONS)
    producer = KafkaProducer(target.kafka, "index-import")
    try:
        doors = {one.state.shard: one.door for one in shards}
        job = Import(spec_of(shards[0].state), doors, store, producer, newest)
        _say(f"{job.check(exported.documents())} documents checked")
        return await job.run(exported.documents(), _say)
    finally:
        producer.close()


def _say(step: str) -> None:
    err.print(f"  [dim]… {escape(step)}[/]")
