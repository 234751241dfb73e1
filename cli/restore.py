"""`trireme restore`: a backup into an empty object store; the stack that is started over it does the rest."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from cli.backup import TargetArgument, open_target
from cli.console import JsonOption, err, out, print_json
from cli.target import HomeOption, home_at
from contracts.errors import Conflict
from runtime.object_store import ObjectStore
from runtime.space_files import SpaceBook
from stack.backup.layout import Manifest
from stack.backup.library import newest_backup
from stack.backup.restoring import restore
from stack.options import DEFAULT_MODELS


def run(
    target: TargetArgument,
    backup: Annotated[str | None, typer.Option("--backup", help="Its id; the newest else.")] = None,
    objects: Annotated[
        str | None,
        typer.Option(
            "--objects", metavar="URL", help="Object store to fill: file:///directory or s3://bucket/prefix."
        ),
    ] = None,
    models: Annotated[
        Path, typer.Option("--models", help="The model repository that will serve it.")
    ] = DEFAULT_MODELS,
    reset: Annotated[
        bool, typer.Option("--reset", help="First delete all documents that this home holds.")
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Restore a backup into this home, or into an object store, that no stack uses. Then start the stack.

    The stack's set-up brings statuses, generations and experiments onto the new log, and the shards build
    themselves from the restored items.
    """
    place = home_at(home)
    with place.locked():
        manifest, source = asyncio.run(_chosen(target, backup))
        known = SpaceBook(models).all()
        if missing := sorted(set(manifest.space_ids) - known.keys()):
            raise Conflict(
                f"The backup's index is of the space {', '.join(missing)}, whose models are not in this model "
                "repository: export the same checkpoints first, or name another one with --models."
            )
        if objects is None:
            if reset:
                place.reset()
            elif (place.data / "kafka").exists():
                raise Conflict(
                    "This home has a broker's log already, which knows other documents. Name an empty --home, or "
                    "give --reset to delete all that this one holds."
                )
            place.create()
        store = ObjectStore.from_url(objects or f"file://{place.objects}")
        with Progress(console=err, transient=True) as bar:
            line = bar.add_task("objects", total=manifest.objects)
            asyncio.run(restore(source, manifest, store, lambda done, _: bar.update(line, completed=done)))
    if as_json:
        print_json({"backup": manifest.id, "objects": manifest.objects, "unsettled": len(manifest.unsettled)})
        return
    out.print(
        f"[green]✓[/] {manifest.id} is restored: {manifest.objects:,} objects. Start the stack: `trireme up`"
    )


async def _chosen(target: str, backup: str | None) -> tuple[Manifest, ObjectStore]:
    source = open_target(target)
    return await newest_backup(source, backup), source
