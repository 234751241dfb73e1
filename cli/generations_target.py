"""What `trireme index generations` asks first: where the index is, and which generation is meant."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.target import running_stack
from contracts.errors import Conflict, DependencyDown, NotFound
from contracts.generations import Generation, serving_of
from contracts.topics import REPLY_PARTITIONS

if TYPE_CHECKING:
    from gateway.flows.ports import ShardBus
    from stack.generations.building import Deployment

NameArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="Name of a generation, as `trireme index generations list` shows it.")
]
ModelsOption = Annotated[
    Path | None, typer.Option("--models", help="The model repository whose spaces these are; the checkout's else.")
]
# Gateways count their ordinals from below.
_ORDINAL = REPLY_PARTITIONS - 1
_MAX_OPEN = 16
_BUS_WAIT_S = 15.0
# As ingestion in the stack.
_NICENESS = 10


def stand_back() -> None:
    """Let the processors go to searches first: what this process does nobody waits for by the millisecond."""
    os.nice(_NICENESS)


def deployment(home: Path | None, kafka: str | None, objects: str | None, models: Path | None) -> Deployment:
    """The index that was named piece by piece; what was not named is the running stack's.

    Raises:
        NotFound: something was not named and no stack runs here.
        Conflict: the stack's broker is one in memory. ConfigurationError: no models.
    """
    from runtime.object_store import ObjectStore
    from runtime.space_files import SpaceBook
    from stack.generations.building import Deployment
    from stack.options import DEFAULT_MODELS

    if not (kafka and objects):
        state = running_stack(home)
        if state.broker == "mock":
            raise Conflict("This stack keeps its log in memory: it has one generation and can have no other.")
        kafka, objects = kafka or state.kafka_bootstrap, objects or state.object_store_url
    return Deployment(kafka, ObjectStore.from_url(objects), SpaceBook(models or DEFAULT_MODELS))


def known_generations(target: Deployment) -> Mapping[str, Generation]:
    """All generations of the deployment's spaces by name. Raises DependencyDown."""
    from runtime.generations import read_generations

    found = read_generations(target.kafka)
    spaces = target.spaces.all()
    return {name: g for name, g in found.items() if g.space_id in spaces}


def named(known: Mapping[str, Generation], name: str) -> Generation:
    """The generation of this name.

    Raises:
        NotFound: there is none.
    """
    if name not in known:
        raise NotFound(f"There is no generation '{name}' here. There is: {', '.join(sorted(known)) or 'none'}.")
    return known[name]


def serving(known: Mapping[str, Generation]) -> Generation:
    """The generation that searches go to.

    Raises:
        NotFound: none serves.
    """
    found = serving_of(known.values())
    if found is None:
        raise NotFound("No generation serves here.")
    return found


@asynccontextmanager
async def open_bus(target: Deployment) -> AsyncIterator[ShardBus]:
    """A way to ask shards, on a reply partition far from those of gateways.

    Raises:
        DependencyDown: Kafka did not answer in time.
    """
    import asyncio
    import time

    from gateway.clients.reply_bus import ReplyBus
    from runtime.telemetry import Metrics

    async with ReplyBus(target.kafka, _ORDINAL, Metrics(), max_open=_MAX_OPEN).running() as bus:
        deadline = time.monotonic() + _BUS_WAIT_S
        while not bus.available():
            if time.monotonic() > deadline:
                raise DependencyDown("kafka")
            await asyncio.sleep(0.05)
        yield bus
