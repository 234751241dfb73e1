"""`trireme index generations switch|rollback|retire`: which generation searches go to, and the end of one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from cli.console import JsonOption, err, out, print_json
from cli.generations_target import ModelsOption, NameArgument, deployment, known_generations, named, open_bus
from cli.index_target import KafkaOption, ObjectsOption
from cli.target import HomeOption
from contracts.errors import Conflict, NotFound
from contracts.generations import Generation, cut_over, previous_of, retired

if TYPE_CHECKING:
    from stack.generations.building import Deployment

_PROBE_TIMEOUT_S = 5.0


def switch(
    name: NameArgument,
    kafka: KafkaOption = None,
    objects: ObjectsOption = None,
    models: ModelsOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send searches to a generation that is ready. The one that served is kept up to date: `rollback` returns.

    One record decides it. Gateways change over within about a second; searches under way end where they began.
    """
    target = deployment(home, kafka, objects, models)
    _switch(target, name, as_json=as_json)


def rollback(
    kafka: KafkaOption = None,
    objects: ObjectsOption = None,
    models: ModelsOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send searches back to the generation that served before."""
    target = deployment(home, kafka, objects, models)
    previous = previous_of(known_generations(target).values())
    if previous is None:
        raise NotFound("No generation that served before is kept: there is nothing to go back to.")
    _switch(target, previous.name, as_json=as_json)


def retire(
    name: NameArgument,
    kafka: KafkaOption = None,
    objects: ObjectsOption = None,
    models: ModelsOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """End a generation that searches do not go to: its processes, snapshots, items and log go. For good."""
    from ingest.backfill.checkpoint import set_paused
    from runtime.generations import publish_generations
    from stack.generations.building import SETTLE_S
    from stack.generations.ending import clear_away

    target = deployment(home, kafka, objects, models)
    known = known_generations(target)
    record = retired(known.values(), name)
    publish_generations(target.kafka, [record])
    if known[name].state == "building":
        # Whoever fills it stops at the next batch, and does not write what is cleared away below.
        asyncio.run(set_paused(target.store, name, paused=True))
    err.print("  [dim]… waiting until nobody writes to it any more[/]")

    async def work() -> int:
        await asyncio.sleep(SETTLE_S)
        return await clear_away(target.store, target.kafka, record)

    removed = asyncio.run(work())
    if as_json:
        print_json({"generation": record, "removed_objects": removed})
        return
    out.print(f"[green]✓[/] {name} is retired; {removed} objects removed.")


def _switch(target: Deployment, name: str, *, as_json: bool) -> None:
    from runtime.generations import publish_generations

    known = known_generations(target)
    wanted = named(known, name)
    records = cut_over(known.values(), name)
    if records:
        asyncio.run(_require_answers(target, wanted))
        publish_generations(target.kafka, records)
    now = known_generations(target)[name]
    if as_json:
        print_json(now)
        return
    out.print(f"[green]✓[/] searches go to {name} ({now.n_shards} shards).")


async def _require_answers(target: Deployment, wanted: Generation) -> None:
    """Gateways would wait for its shards as well, but here somebody reads why."""
    from gateway.flows.ask_once import ask_once, probe_request

    async with open_bus(target) as bus:
        probe = probe_request(wanted, target.space)
        replies = await ask_once(bus, wanted, probe, timeout_s=_PROBE_TIMEOUT_S)
    if missing := sorted(set(range(wanted.n_shards)) - replies.keys()):
        raise Conflict(
            f"Shard {', '.join(map(str, missing))} of '{wanted.name}' does not answer: nothing was changed."
        )
