"""`trireme ingest PATH...`: files and folders into the index; `--sync URL` makes a collection mirror a listing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.markup import escape

from cli.console import JsonOption, UrlOption, err, out, print_json
from cli.files import named_files
from cli.index_target import KafkaOption, ObjectsOption
from cli.ingesting import FileEnd, ingest_files
from cli.looking import Looker
from cli.syncing import Deployment, SyncReport, sync
from cli.target import HomeOption, client_of, running_stack
from contracts.errors import InvalidInput
from contracts.ids import DEFAULT_COLLECTION

UPLOAD_TIMEOUT_S = 120.0
MAX_SHARE = 0.1
SHOWN = 20
STATE_STYLE = {
    "indexed": "green",
    "sent": "green",
    "unchanged": "dim",
    "would_send": "cyan",
    "refused": "red",
    "failed": "red",
}


def run(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(help="Files, folders, patterns ('scans/**/*.pdf'); - reads a list from standard input."),
    ] = None,
    collection: Annotated[
        str, typer.Option("--collection", help="Put them into this collection.")
    ] = DEFAULT_COLLECTION,
    sync_url: Annotated[
        str | None,
        typer.Option(
            "--sync",
            metavar="URL",
            help="Make the collection what is listed there, deletions included: file:///folder, "
            "s3://bucket/prefix, or the stack's own store, whose files are announced where they are.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be sent, skipped, refused or deleted, and why.")
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Send also what is there already, with the same bytes.")
    ] = False,
    max_share: Annotated[
        float, typer.Option("--max-share", min=0, max=1, help="Refuse to delete more than this share at once.")
    ] = MAX_SHARE,
    yes: Annotated[bool, typer.Option("--yes", help="Delete however many have gone.")] = False,
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
    kafka: KafkaOption = None,
    objects: ObjectsOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put files and folders into the index.

    A run that was interrupted is continued by the same command: what is there already is not sent again. The exit
    status is 1 when a file was refused or failed.
    """
    lane: Literal["live", "bulk"] = "bulk" if bulk else "live"
    if (sync_url is None) == (not paths):
        raise InvalidInput("Name files and folders, or a listing with --sync.")
    with _deployment(url, home, kafka, objects) as deployment:
        if sync_url is not None:
            report = sync(
                deployment,
                sync_url,
                collection,
                err,
                lane=lane,
                dry_run=dry_run,
                max_share=1.0 if yes else max_share,
                wait=wait,
                timeout_s=timeout_s,
            )
            print_json(report) if as_json else _print_report(report)
            raise typer.Exit(report.failed)
        looker = Looker(collection, None if again else deployment.client, timeout_s=timeout_s)
        files = named_files(paths or [])
        if dry_run:
            looks = [looker.look(file) for file in files]
            ends = [FileEnd(look.file.name, _WOULD[look.verdict], look.doc_id, look.reason) for look in looks]
        else:
            with deployment.door(collection, lane) as door:
                waiter = deployment.client if wait else None
                ends = ingest_files(files, door, waiter, err, timeout_s=timeout_s, looker=looker)
    print_json(ends) if as_json else _print(ends)
    if any(end.failed for end in ends):
        raise typer.Exit(1)


_WOULD = {"send": "would_send", "unchanged": "unchanged", "refused": "refused"}


@contextlib.contextmanager
def _deployment(
    url: str | None, home: Path | None, kafka: str | None, objects: str | None
) -> Iterator[Deployment]:
    """The gateway that was named, with the log and the store if they were too; else the stack that runs here."""
    if url is not None:
        with client_of(url, timeout_s=UPLOAD_TIMEOUT_S) as client:
            yield Deployment(client, kafka, objects)
        return
    state = running_stack(home)
    with client_of(state.gateway_url) as client:
        yield Deployment(client, kafka or state.kafka_bootstrap, objects or state.object_store_url)


def _print(ends: list[FileEnd]) -> None:
    for end in ends:
        if end.state not in {"indexed", "unchanged"} or len(ends) == 1 or end.reason:
            style = STATE_STYLE.get(end.state, "yellow")
            out.print(f"[{style}]{end.state:<10}[/] {escape(end.name)}  {escape(end.reason or '')}")
    counts = {state: sum(end.state == state for end in ends) for state in sorted({end.state for end in ends})}
    out.print(", ".join(f"{count} {state}" for state, count in counts.items()))


def _print_report(report: SyncReport) -> None:
    for what, names in (("add", report.added), ("change", report.changed), ("delete", report.deleted)):
        for name in names[:SHOWN]:
            out.print(f"[{'red' if what == 'delete' else 'green'}]{what:<8}[/] {escape(name)}")
        if len(names) > SHOWN:
            out.print(f"[dim]… and {len(names) - SHOWN} more to {what}; --json prints all of them.[/]")
    for name, reason in report.refused.items():
        out.print(f"[red]refused [/] {escape(name)}  {escape(reason)}")
    for end in report.ends:
        if end.failed:
            out.print(f"[red]failed  [/] {escape(end.name)}  {escape(end.reason or '')}")
    counts = (
        f"{len(report.added)} added, {len(report.changed)} changed, {len(report.deleted)} deleted, "
        f"{report.unchanged} unchanged, {len(report.refused)} refused"
    )
    out.print(f"{counts}. Nothing was done: a dry run." if report.dry_run else f"{counts}.")
