"""`trireme index generations compare NAME`: does the new index find what the old one finds?"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from cli.console import JsonOption, out, print_json
from cli.generations_target import (
    ModelsOption,
    NameArgument,
    deployment,
    known_generations,
    named,
    open_bus,
    serving,
)
from cli.index_target import KafkaOption, ObjectsOption
from cli.target import HomeOption
from contracts.errors import Conflict
from contracts.generations import Generation

if TYPE_CHECKING:
    from stack.generations.building import Deployment
    from stack.generations.comparing import Comparison


def run(
    name: NameArgument,
    against: Annotated[
        str | None, typer.Option("--against", help="Compare with this one; with the one that serves else.")
    ] = None,
    queries: Annotated[int, typer.Option("--queries", min=1, max=2000, help="How many at most.")] = 100,
    k: Annotated[int, typer.Option("-k", min=1, max=100, help="Hits of each.")] = 10,
    kafka: KafkaOption = None,
    objects: ObjectsOption = None,
    models: ModelsOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask two generations the searches of the last minute, and see what each finds.

    Where people asked fewer, vectors of stored items make up the number. Recall is measured for each against a
    full comparison with its own vectors; overlap is the share of the old one's hits that the new one finds too.
    """
    target = deployment(home, kafka, objects, models)
    known = known_generations(target)
    new = named(known, name)
    old = named(known, against) if against else serving(known)
    if old.name == new.name:
        raise Conflict(f"'{name}' serves: name the other one with --against.")
    recorded, comparison = asyncio.run(_compare(target, old, new, queries, k))
    if as_json:
        print_json({"recorded_queries": recorded, "comparison": comparison})
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("generation", f"recall@{k}", "items", "median ms in the slowest shard"):
        table.add_column(heading)
    for side in (comparison.old, comparison.new):
        table.add_row(side.generation, f"{side.recall:.3f}", str(side.items), f"{side.search_ms:.1f}")
    out.print(table)
    out.print(
        f"{comparison.compared} queries ({recorded} of the last searches): overlap {comparison.overlap:.3f}, "
        f"same first hit {comparison.same_first:.3f}, unanswered {comparison.unanswered}."
    )


async def _compare(
    target: Deployment, old: Generation, new: Generation, n_queries: int, k: int
) -> tuple[int, Comparison]:
    from stack.generations.comparing import compare
    from stack.generations.recorded_queries import recorded_queries, sampled_queries

    asked = await asyncio.to_thread(recorded_queries, target.kafka, target.space, limit=n_queries)
    recorded = len(asked)
    if recorded < n_queries:
        asked += await sampled_queries(target.store, old, target.space, limit=n_queries - recorded, k=k)
    async with open_bus(target) as bus:
        return recorded, await compare(bus, old, new, asked, k=k)
