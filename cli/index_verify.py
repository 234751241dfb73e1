"""`trireme index verify`: every shard beside the object store and the log, and every difference."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

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
from contracts.index_door import ShardState

if TYPE_CHECKING:
    from index_service.audit.verify import ShardReport

SHOWN = 50


def run(
    doors: DoorOption = None,
    kafka: KafkaOption = None,
    objects: ObjectsOption = None,
    generation: GenerationOption = None,
    contents: Annotated[
        bool,
        typer.Option("--contents/--versions-only", help="Compare vectors and texts too, or versions alone."),
    ] = True,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare every shard with the object store and the log. Exit status 1 when anything differs.

    Nothing is changed and nothing has to stand still: what differs is looked at again until it agrees or stays.
    """
    target = index_target(home, doors=doors, kafka=kafka, objects=objects, generation=generation)
    with ExitStack() as closing:
        held = target.held(closing)
        reports = asyncio.run(_verify(target, held, contents=contents))
    missing = missing_shards([one.state for one in held])
    if as_json:
        print_json({"agrees": _agrees(reports, missing), "shards": reports, "missing_shards": missing})
    else:
        _print(reports, missing)
    if not _agrees(reports, missing):
        raise typer.Exit(1)


async def _verify(target: IndexTarget, held: list[HeldShard], *, contents: bool) -> list[ShardReport]:
    from index_service.audit.sources import LoggedHeads
    from index_service.audit.verify import Verification
    from runtime.object_store import ObjectStore

    store = ObjectStore.from_url(target.objects_url)
    reports = []
    for shard in sorted({one.state.shard for one in held}):
        logged: LoggedHeads | None = None
        for one in (one for one in held if one.state.shard == shard):
            spec = spec_of(one.state)
            logged = logged or LoggedHeads(target.kafka, spec)
            check = Verification(one.door, spec, one.state.group, store, logged, contents=contents)
            reports.append(await check.run(_say))
    return reports


def missing_shards(states: list[ShardState]) -> list[int]:
    """Shards of the generation that no process holds."""
    n_shards = max(state.n_shards for state in states)
    return sorted(set(range(n_shards)) - {state.shard for state in states})


def _agrees(reports: list[ShardReport], missing: list[int]) -> bool:
    return not missing and not any(report.differences for report in reports)


def _print(reports: list[ShardReport], missing: list[int]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in (
        "shard",
        "group",
        "documents",
        "removed",
        "stored",
        "logged",
        "applied",
        "log end",
        "differences",
    ):
        table.add_column(heading, justify="right")
    for report in reports:
        table.add_row(
            str(report.shard),
            str(report.group),
            str(report.documents),
            str(report.tombstones),
            str(report.stored),
            str(report.logged),
            str(report.next_offset),
            str(report.log_end),
            f"[{'red' if report.differences else 'green'}]{len(report.differences)}[/]",
        )
    out.print(table)
    differences = [(report, one) for report in reports for one in report.differences]
    for report, one in differences[:SHOWN]:
        out.print(
            f"[red]{one.kind}[/] shard {report.shard} group {report.group} {one.doc_id}  {escape(one.sentence)}"
        )
    if len(differences) > SHOWN:
        out.print(f"[dim]… and {len(differences) - SHOWN} more; --json prints all of them.[/]")
    for shard in missing:
        out.print(f"[red]missing[/] No process holds shard {shard}.")


def _say(step: str) -> None:
    err.print(f"  [dim]… {escape(step)}[/]")
