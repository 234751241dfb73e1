"""`trireme index generations build|pause|resume`: fill a new generation beside the one that serves."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.console import JsonOption, err, out, print_json
from cli.generations_access import take_access_along
from cli.generations_target import (
    ModelsOption,
    NameArgument,
    deployment,
    known_generations,
    named,
    open_bus,
    stand_back,
)
from cli.index_target import KafkaOption, ObjectsOption
from cli.target import HomeOption
from contracts.errors import Conflict, InvalidInput
from contracts.generations import Generation, GenerationParameters
from contracts.ids import DEFAULT_TENANT

if TYPE_CHECKING:
    from ingest.backfill.run import Progress
    from stack.generations.building import Deployment

KINDS = ("auto", "flat", "hnsw_fp16", "hnsw_sq8", "ivf_sq8", "ivf_pq", "halves")
WaitOption = Annotated[
    float, typer.Option("--timeout", min=1, help="How long its shards may take to apply what was copied, in s.")
]


@dataclass(frozen=True, slots=True)
class Built:
    """How a building ended.

    Args:
        refused: documents whose stored items cannot be used, with the reason.
    """

    generation: Generation
    copied: int
    removed: int
    refused: dict[str, str]
    ready: bool


def build(
    shards: Annotated[
        int | None,
        typer.Option("--shards", min=1, help="Into how many shards documents are divided; as many as now else."),
    ] = None,
    kind: Annotated[
        str, typer.Option("--kind", help=f"Kind of large segments: {', '.join(KINDS)}.")
    ] = GenerationParameters().segment_kind,
    space: Annotated[
        str | None,
        typer.Option(
            "--space", help="Joint space, by its id, where it shall not be the one that is searched now."
        ),
    ] = None,
    timeout_s: WaitOption = 3600.0,
    kafka: KafkaOption = None,
    objects: ObjectsOption = None,
    models: ModelsOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Build a new generation beside the one that serves; searches and uploads go on.

    The stack running here starts its processes. Ctrl-C stops between two batches; `resume` goes on.
    """
    from stack.generations.building import announce

    if kind not in KINDS:
        raise InvalidInput(f"There is no kind '{kind}'. There is: {', '.join(KINDS)}.")
    stand_back()
    target = deployment(home, kafka, objects, models)
    parameters = GenerationParameters(segment_kind=kind)
    generation = announce(target, tenant=DEFAULT_TENANT, n_shards=shards, parameters=parameters, space_id=space)
    _tell(asyncio.run(filled(target, generation, timeout_s, home)), as_json=as_json)


def pause(
    name: NameArgument,
    kafka: KafkaOption = None,
    objects: ObjectsOption = None,
    models: ModelsOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Hold the filling of a generation still, wherever it runs; new documents go on reaching it."""
    from ingest.backfill.checkpoint import set_paused

    target = deployment(home, kafka, objects, models)
    generation = _building(target, name)
    asyncio.run(set_paused(target.store, name, paused=True))
    if as_json:
        print_json({"generation": generation, "paused": True})
        return
    out.print(f"{name} is paused; `trireme index generations resume {name}` goes on.")


def resume(
    name: NameArgument,
    timeout_s: WaitOption = 3600.0,
    kafka: KafkaOption = None,
    objects: ObjectsOption = None,
    models: ModelsOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Go on with a building that was paused, stopped or cut off."""
    from ingest.backfill.checkpoint import set_paused

    stand_back()
    target = deployment(home, kafka, objects, models)
    generation = _building(target, name)

    async def work() -> Built:
        await set_paused(target.store, name, paused=False)
        return await filled(target, generation, timeout_s, home)

    _tell(asyncio.run(work()), as_json=as_json)


def _building(target: Deployment, name: str) -> Generation:
    generation = named(known_generations(target), name)
    if generation.state != "building":
        raise Conflict(f"The generation '{name}' is {generation.state}: it is not being built.")
    return generation


async def filled(target: Deployment, generation: Generation, timeout_s: float, home: Path | None) -> Built:
    """Fill a generation that is being built, and wait for its shards; Ctrl-C stops between two batches.

    Raises:
        DeadlineExceeded: its shards did not apply all of it in time. Conflict, NotFound, DependencyDown.
    """
    from stack.generations.building import fill, finish

    if generation.source is not None:
        await asyncio.to_thread(take_access_along, home, target.kafka, generation.source, generation)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, stop.set)
    try:
        progress = await fill(target, generation, stop, _shown(generation.name))
    finally:
        loop.remove_signal_handler(signal.SIGINT)
    if progress.finished:
        err.print("  [dim]… waiting until its shards have applied all of it[/]")
        async with open_bus(target) as bus:
            generation = await finish(target, generation, bus, timeout_s=timeout_s)
    return Built(generation, progress.copied, progress.removed, progress.refused, progress.finished)


def _shown(name: str) -> Callable[[Progress], None]:
    last: list[tuple[int, int]] = []

    def show(progress: Progress) -> None:
        now = (progress.documents - progress.left, progress.documents)
        if [now] != last:
            last[:] = [now]
            err.print(f"  [dim]… {name}: {now[0]} of {now[1]} documents[/]")

    return show


def _tell(built: Built, *, as_json: bool) -> None:
    if as_json:
        print_json(built)
        return
    name = built.generation.name
    for doc_id, reason in built.refused.items():
        err.print(f"  [red]✗[/] {doc_id}: {reason}")
    if built.ready:
        out.print(f"[green]✓[/] {name} is ready: {built.copied} documents copied.")
        out.print(f"  trireme index generations compare {name}\n  trireme index generations switch {name}")
    else:
        out.print(f"{name} stands still at {built.copied} documents; `resume {name}` goes on.")
