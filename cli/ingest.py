"""`trireme ingest PATH...`: files and folders into the index, with each file's end."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from cli.console import JsonOption, UrlOption, err, out, print_json
from cli.doors import Door, GatewayDoor, StackDoor
from cli.files import named_files
from cli.ingesting import FileEnd, ingest_files
from cli.target import HomeOption, running_stack
from client.client import TriremeClient
from contracts.ids import DEFAULT_COLLECTION

UPLOAD_TIMEOUT_S = 120.0
STATE_STYLE = {"indexed": "green", "sent": "green", "refused": "red", "failed": "red"}


def run(
    paths: Annotated[list[Path], typer.Argument(help="Files and folders.")],
    collection: Annotated[
        str, typer.Option("--collection", help="Put them into this collection.")
    ] = DEFAULT_COLLECTION,
    bulk: Annotated[
        bool, typer.Option("--bulk", help="A backfill: lets other people's uploads go first.")
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Return when all are searchable or have failed, or handed in.")
    ] = True,
    timeout_s: Annotated[
        float, typer.Option("--timeout", help="Give up when nothing moved for so many seconds.")
    ] = 180.0,
    url: UrlOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put files and folders into the index."""
    files = named_files(paths)
    with _door(url, home, collection, bulk=bulk) as (door, client):
        ends = ingest_files(files, door, client if wait else None, err, timeout_s=timeout_s)
    if as_json:
        print_json(ends)
    else:
        _print(ends)
    if any(end.failed for end in ends):
        raise typer.Exit(1)


@contextlib.contextmanager
def _door(
    url: str | None, home: Path | None, collection: str, *, bulk: bool
) -> Iterator[tuple[Door, TriremeClient]]:
    """Through the named gateway, else straight into the stack that runs here."""
    if url is not None:
        with TriremeClient(url, timeout_s=UPLOAD_TIMEOUT_S) as client:
            yield GatewayDoor(client, collection), client
        return
    state = running_stack(home)
    with (
        TriremeClient(state.gateway_url) as client,
        StackDoor(state, collection, "bulk" if bulk else "live") as door,
    ):
        yield door, client


def _print(ends: list[FileEnd]) -> None:
    for end in ends:
        if end.state != "indexed" or len(ends) == 1 or end.reason:
            style = STATE_STYLE.get(end.state, "yellow")
            out.print(f"[{style}]{end.state:<10}[/] {escape(end.name)}  {escape(end.reason or '')}")
    counts = {state: sum(end.state == state for end in ends) for state in sorted({end.state for end in ends})}
    out.print(", ".join(f"{count} {state}" for state, count in counts.items()))
