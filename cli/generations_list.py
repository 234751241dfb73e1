"""`trireme index generations list`: which indexes there are, what state they are in, how far they are built."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.table import Table

from cli.console import JsonOption, out, print_json
from cli.generations_target import ModelsOption, deployment, known_generations
from cli.index_target import KafkaOption, ObjectsOption
from cli.target import HomeOption
from contracts.generations import Generation, oldest_first, serving_of

if TYPE_CHECKING:
    from stack.generations.building import Deployment


@dataclass(frozen=True, slots=True)
class Listed:
    """One generation as it is listed.

    Args:
        serves: searches go to it.
        building: how far the filling is: "paused", "running or interrupted" or "filled"; None where it is not.
        copied: documents that were copied into it; None for one that was filled by documents alone.
    """

    generation: Generation
    serves: bool
    building: str | None
    copied: int | None


def run(
    kafka: KafkaOption = None,
    objects: ObjectsOption = None,
    models: ModelsOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show every generation of the index, oldest first."""
    target = deployment(home, kafka, objects, models)
    known = oldest_first(known_generations(target).values())
    rows = asyncio.run(_listed(target, known))
    if as_json:
        print_json(rows)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("generation", "state", "shards", "kind", "made", "filled from", "copied"):
        table.add_column(heading)
    for row in rows:
        one = row.generation
        state = f"[green]{one.state}[/]" if row.serves else one.state
        made = time.strftime("%Y-%m-%d %H:%M", time.gmtime(one.created_ms / 1000))
        copied = "" if row.copied is None else f"{row.copied}"
        table.add_row(
            one.name,
            f"{state} ({row.building})" if row.building else state,
            str(one.n_shards),
            one.parameters.segment_kind,
            made,
            one.source or "",
            copied,
        )
    out.print(table)


async def _listed(target: Deployment, known: list[Generation]) -> list[Listed]:
    current = serving_of(known)
    return [await _row(target, one, serves=one is current) for one in known]


async def _row(target: Deployment, one: Generation, *, serves: bool) -> Listed:
    from ingest.backfill.checkpoint import is_paused, read_checkpoint

    if one.source is None or not one.is_live:
        return Listed(one, serves, None, None)
    checkpoint = await read_checkpoint(target.store, one.name, one.source)
    building = None
    if one.state == "building":
        paused = await is_paused(target.store, one.name)
        building = "filled" if checkpoint.finished else "paused" if paused else "running or interrupted"
    return Listed(one, serves, building, checkpoint.copied)
