"""Which index a sub-command of `trireme index` means: that of the stack running here, or one that is named."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.target import running_stack
from client.index_door import IndexDoor
from contracts.errors import BadMessage, InvalidInput, NotFound
from contracts.index_door import ShardState
from stack.layout import REDIS, REPLICA
from stack.ports import LOOPBACK
from stack.state import StackState

if TYPE_CHECKING:
    from index_service.spec import ShardSpec

DoorOption = Annotated[
    list[str] | None,
    typer.Option(
        "--door",
        metavar="HOST:PORT",
        help="Health port of an index process; repeat it. The stack's else.",
    ),
]
KafkaOption = Annotated[
    str | None, typer.Option("--kafka", metavar="HOST:PORT", help="The broker; that of the stack here else.")
]
ObjectsOption = Annotated[
    str | None,
    typer.Option("--objects", metavar="URL", help="file:///directory or s3://bucket/prefix; the stack's else."),
]
RedisOption = Annotated[
    str | None, typer.Option("--redis", metavar="URL", help="The cache's Redis; that of the stack here else.")
]
GenerationOption = Annotated[
    str | None, typer.Option("--generation", help="Name of the index generation; the one that serves here else.")
]


@dataclass(frozen=True, slots=True)
class HeldShard:
    """One shard as one process holds it."""

    door: IndexDoor
    state: ShardState


@dataclass(frozen=True, slots=True)
class IndexTarget:
    """An index: where its log, its objects and its processes are.

    Args:
        redis_url: None where the stack has no Redis.
        generation: None for whatever the processes hold, as long as it is one.
    """

    kafka: str
    objects_url: str
    redis_url: str | None
    addresses: tuple[str, ...]
    generation: str | None

    def held(self, closing: ExitStack) -> list[HeldShard]:
        """Every shard of the generation in every process that holds it, primaries first.

        Raises:
            NotFound: no process holds one. DependencyDown: a process cannot be reached.
            InvalidInput: the processes hold several generations and none was named.
        """
        found = []
        for address in self.addresses:
            door = closing.enter_context(IndexDoor(address))
            found += [HeldShard(door, state) for state in door.shards()]
        names = {one.state.generation for one in found}
        if self.generation is None and len(names) > 1:
            raise InvalidInput(f"There are several generations here ({', '.join(sorted(names))}): name one.")
        mine = [one for one in found if self.generation in (None, one.state.generation)]
        if not mine:
            raise NotFound("No index process here holds a shard of this generation.")
        return sorted(mine, key=lambda one: (one.state.group, one.state.shard))

    def primaries(self, closing: ExitStack) -> list[HeldShard]:
        """One process for each shard of the generation, by shard: the one that tells the world.

        Raises:
            NotFound: a shard is missing. Otherwise as `held`.
        """
        writing = {one.state.shard: one for one in self.held(closing) if not one.state.read_only}
        n_shards = max((one.state.n_shards for one in writing.values()), default=1)
        missing = [str(shard) for shard in range(n_shards) if shard not in writing]
        if missing:
            raise NotFound(f"No process holds shard {', '.join(missing)} of {n_shards}.")
        return [writing[shard] for shard in range(n_shards)]


def index_target(
    home: Path | None,
    *,
    doors: Sequence[str] | None = None,
    kafka: str | None = None,
    objects: str | None = None,
    redis: str | None = None,
    generation: str | None = None,
) -> IndexTarget:
    """The index that was named piece by piece; what was not named is the running stack's.

    Raises:
        NotFound: something was not named, and no stack runs here.
    """
    if doors and kafka and objects:
        return IndexTarget(kafka, objects, redis, tuple(doors), generation)
    state = running_stack(home)
    return IndexTarget(
        kafka=kafka or state.kafka_bootstrap,
        objects_url=objects or state.object_store_url,
        redis_url=redis or _redis_url(state),
        addresses=tuple(doors or _addresses(state)),
        generation=generation or (None if doors else state.generation),
    )


def _addresses(state: StackState) -> list[str]:
    """Doors of the stack's index processes, whatever generation they belong to."""
    index = [view for view in state.processes if "shard-" in view.name or REPLICA in view.name]
    if any("http" not in view.ports for view in index):
        raise BadMessage("The stack's state does not tell the ports of its index processes.")
    return [f"{LOOPBACK}:{view.ports['http']}" for view in index]


def _redis_url(state: StackState) -> str | None:
    ports = next((view.ports for view in state.processes if view.name == REDIS), {})
    port = next(iter(ports.values()), None)
    return f"redis://{LOOPBACK}:{port}/0" if port else None


def spec_of(state: ShardState) -> ShardSpec:
    """The spec of a shard that a process told of."""
    from index_service.spec import ShardSpec

    return ShardSpec(
        state.generation, state.shard, state.n_shards, state.space_id, state.text_dim, state.image_dim
    )
