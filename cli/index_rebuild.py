"""`trireme index rebuild SHARD...`: shards anew from the object store and the log, one after the other."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import Annotated

import typer

from cli.console import JsonOption, err, out, print_json
from cli.index_target import DoorOption, GenerationOption, HeldShard, index_target
from cli.target import HomeOption
from contracts.errors import DeadlineExceeded, InvalidInput
from contracts.index_door import ShardState

POLL_S = 0.2


def run(
    shards: Annotated[list[int], typer.Argument(metavar="SHARD...", help="Numbers of the shards.")],
    group: Annotated[
        int | None, typer.Option("--group", help="Only the processes of this replica group; all of them else.")
    ] = None,
    timeout_s: Annotated[
        float, typer.Option("--timeout", help="How long one shard may take, in seconds.")
    ] = 3600.0,
    doors: DoorOption = None,
    generation: GenerationOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Have running shards rebuilt from the object store.

    A shard answers searches from what it has until everything has been read anew; then it reads its log again and
    is away for that time, while the other replica group answers. What is known to be removed stays removed.
    """
    # Rebuilding needs neither broker nor store here: the processes have their own.
    elsewhere = "-" if doors else None
    target = index_target(home, doors=doors, kafka=elsewhere, objects=elsewhere, generation=generation)
    with ExitStack() as closing:
        held = [
            one for one in target.held(closing) if one.state.shard in shards and group in (None, one.state.group)
        ]
        if unknown := set(shards) - {one.state.shard for one in held}:
            raise InvalidInput(f"No process here holds shard {', '.join(map(str, sorted(unknown)))}.")
        states = [_rebuild(one, timeout_s) for one in held]
    if as_json:
        print_json(states)
        return
    for state in states:
        out.print(f"[green]✓[/] shard {state.shard} of group {state.group}: {state.items} items")


def _rebuild(held: HeldShard, timeout_s: float) -> ShardState:
    shard = held.state.shard
    err.print(f"  [dim]… rebuilding shard {shard} of group {held.state.group}[/]")
    asked = held.door.rebuild(shard)
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        state = held.door.state(shard)
        if state is not None and state.rebuilds > asked.rebuilds and state.ready:
            return state
        time.sleep(POLL_S)
    raise DeadlineExceeded(f"Shard {shard} was not rebuilt within {timeout_s:.0f} s; it goes on by itself.")
