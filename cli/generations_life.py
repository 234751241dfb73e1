"""`trireme index generations switch|rollback|retire`: which generation searches go to, and the end of one."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from cli.console import JsonOption, err, out, print_json
from cli.generations_access import take_access_along
from cli.generations_target import ModelsOption, NameArgument, deployment, known_generations, named, open_bus
from cli.index_target import KafkaOption, ObjectsOption
from cli.target import HomeOption
from contracts.errors import Conflict, NotFound
from contracts.generations import Generation, cut_over, previous_of, retired, serving_of
from contracts.space import named_in_space
from contracts.tensors import CLIP_IMAGE, CLIP_TEXT, TEXT_ENCODER

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
    _switch(target, name, home, as_json=as_json)


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
    _switch(target, previous.name, home, as_json=as_json)


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
    others = [
        one for one in known.values() if one.is_live and one.space_id == record.space_id and one.name != name
    ]
    publish_generations(target.kafka, [record])
    if known[name].state == "building":
        # Whoever fills it stops at the next batch, and does not write what is cleared away below.
        asyncio.run(set_paused(target.store, name, paused=True))
    err.print("  [dim]… waiting until nobody writes to it any more[/]")

    async def work() -> int:
        await asyncio.sleep(SETTLE_S)
        return await clear_away(target.store, target.kafka, record, last_of_its_space=not others)

    removed = asyncio.run(work())
    if as_json:
        print_json({"generation": record, "removed_objects": removed})
        return
    out.print(f"[green]✓[/] {name} is retired; {removed} objects removed.")
    if not others:
        part = target.spaces.name_part(record.space_id)
        unneeded = ", ".join(named_in_space(model, part) for model in (TEXT_ENCODER, CLIP_TEXT, CLIP_IMAGE))
        out.print(f"  No index needs {unneeded} now: `trireme models unload MODEL --force` frees their memory.")


def _switch(target: Deployment, name: str, home: Path | None, *, as_json: bool) -> None:
    now = switched(target, name, home)
    if as_json:
        print_json(now)
        return
    out.print(f"[green]✓[/] searches go to {name} ({now.n_shards} shards).")


def switched(target: Deployment, name: str, home: Path | None) -> Generation:
    """Send searches to a generation, once all of its shards have answered.

    Raises:
        NotFound: there is none of this name. Conflict: it is not ready, or a shard does not answer.
        DependencyDown: Kafka is away.
    """
    from runtime.generations import publish_generations

    known = known_generations(target)
    wanted = named(known, name)
    records = cut_over(known.values(), name)
    if records:
        asyncio.run(_require_answers(target, wanted))
        if (current := serving_of(known.values())) is not None and current.name != name:
            take_access_along(home, target.kafka, current.name, wanted)
        publish_generations(target.kafka, records)
    return known_generations(target)[name]


async def _require_answers(target: Deployment, wanted: Generation) -> None:
    """Gateways would wait for its shards as well, but here somebody reads why."""
    from gateway.flows.ask_once import ask_once, probe_request

    async with open_bus(target) as bus:
        probe = probe_request(wanted, target.space_of(wanted))
        replies = await ask_once(bus, wanted, probe, timeout_s=_PROBE_TIMEOUT_S)
    if missing := sorted(set(range(wanted.n_shards)) - replies.keys()):
        raise Conflict(
            f"Shard {', '.join(map(str, missing))} of '{wanted.name}' does not answer: nothing was changed."
        )
