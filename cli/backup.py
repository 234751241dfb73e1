"""`trireme backup`: take backups of a running stack, list and verify them, remove them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer
from rich.markup import escape
from rich.table import Table

from cli.console import JsonOption, err, out, print_json
from cli.index_target import KafkaOption, ObjectsOption
from cli.target import HomeOption, running_stack
from contracts.errors import BadMessage
from runtime.object_store import ObjectStore
from stack.backup.layout import Manifest
from stack.backup.library import damaged, list_backups, newest_backup, remove_backup
from stack.backup.taking import Progress, Taking

app = typer.Typer()

TargetArgument = Annotated[
    str,
    typer.Argument(metavar="TARGET", help="A folder, file:///folder or s3://bucket/prefix that holds backups."),
]
_STEP = 500


@app.callback()
def _group() -> None:
    """Documents, items, statuses and the index's generations, in a folder or bucket (docs/backup.md)."""


@app.command()
def take(
    target: TargetArgument,
    home: HomeOption = None,
    kafka: KafkaOption = None,
    objects: ObjectsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take a backup while the stack runs. What an earlier one in the same target holds is not copied again."""
    if kafka is None or objects is None:
        state = running_stack(home)
        kafka, objects = kafka or state.kafka_bootstrap, objects or state.object_store_url
    manifest = asyncio.run(Taking(ObjectStore.from_url(objects), open_target(target), kafka, _tell).take())
    if as_json:
        print_json(manifest)
        return
    out.print(
        f"[green]✓[/] {manifest.id}: {manifest.objects:,} objects ({_size(manifest.object_bytes)}, "
        f"{_size(manifest.copied_bytes)} of them new) in {manifest.seconds:.1f} s"
    )
    out.print(
        f"  documents: {', '.join(f'{n} {state}' for state, n in sorted(manifest.documents.items())) or 'none'}"
    )
    if manifest.unsettled:
        out.print(f"  {len(manifest.unsettled)} were being worked on; a restored stack reads them again")


@app.command("list")
def list_(target: TargetArgument, as_json: JsonOption = False) -> None:
    """List the finished backups of a target, the newest first."""
    manifests = asyncio.run(list_backups(open_target(target)))
    if as_json:
        print_json(manifests)
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("backup", "taken", "objects", "size", "new", "indexed", "generations"):
        table.add_column(name, justify="right" if name in {"objects", "size", "new", "indexed"} else "left")
    for each in manifests:
        table.add_row(
            each.id,
            datetime.fromtimestamp(each.created_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC"),
            f"{each.objects:,}",
            _size(each.object_bytes),
            _size(each.copied_bytes),
            f"{each.documents.get('indexed', 0):,}",
            escape(", ".join(each.generations)),
        )
    out.print(table if manifests else "There are no finished backups here.")


@app.command()
def verify(
    target: TargetArgument,
    backup: Annotated[str | None, typer.Option("--backup", help="Its id; the newest else.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Read all of a backup and compare it with its hashes. Exit status 1 where something is missing or damaged."""

    async def check() -> tuple[Manifest, list[str]]:
        store = open_target(target)
        manifest = await newest_backup(store, backup)
        try:
            return manifest, await damaged(store, manifest)
        except BadMessage as exc:
            return manifest, [exc.message]

    manifest, wrong = asyncio.run(check())
    if as_json:
        print_json({"backup": manifest.id, "objects": manifest.objects, "damaged": wrong})
    elif wrong:
        for each in wrong:
            err.print(f"[red]✗[/] {escape(each)}")
    else:
        out.print(f"[green]✓[/] {manifest.id}: all {manifest.objects:,} objects are as they were written")
    if wrong:
        raise typer.Exit(1)


@app.command()
def remove(
    target: TargetArgument, backup: Annotated[str, typer.Argument(metavar="BACKUP", help="Its id.")]
) -> None:
    """Remove a backup, and contents that no other one needs. Not while one is being taken into the same target."""
    freed = asyncio.run(remove_backup(open_target(target), backup))
    out.print(f"{backup} is removed, with {freed:,} contents that no other backup has.")


def open_target(text: str) -> ObjectStore:
    """The store that a folder or URL on the command line means."""
    is_url = urlsplit(text).scheme in {"file", "s3"}
    return ObjectStore.from_url(text if is_url else f"file://{Path(text).resolve()}")


def _tell(progress: Progress) -> None:
    if progress.objects % _STEP == 0:
        err.print(f"  {progress.objects:,} objects, {_size(progress.copied_bytes)} copied")


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 2**30:.1f} GiB" if n_bytes >= 2**30 else f"{n_bytes / 2**20:.1f} MiB"
