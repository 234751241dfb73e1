"""Makes a new generation beside the one that serves: announce it, fill it, wait until its shards have all of it.

Starts no process: the stack's keeper does when it sees the announcement, and elsewhere whoever runs the shards.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass

from contracts.errors import Conflict, DeadlineExceeded, InvalidInput, NotFound
from contracts.generations import Generation, GenerationParameters, moved, planned, serving_of
from contracts.search import CPU_GROUP, PRIMARY_GROUP
from contracts.space import Space
from contracts.topics import generation_topics, index_updates
from gateway.flows.ask_once import ask_once, probe_request
from gateway.flows.ports import ShardBus
from ingest.backfill.copying import ItemCopier
from ingest.backfill.letters import SpaceLetters
from ingest.backfill.reembedding import AT_ONCE, Reembedder
from ingest.backfill.run import BATCH, IN_FLIGHT, Backfill, Copier, Progress
from runtime.generations import publish_generations, read_generations
from runtime.kafka import assigned_consumer, log_bounds
from runtime.kafka_producer import KafkaProducer
from runtime.object_store import ObjectStore
from runtime.space_files import SpaceBook
from runtime.topics_admin import ensure_topics

# Joint updaters know of a new generation 5 s after its announcement, and what they began before takes some time.
SETTLE_S = 10.0
_TIMEOUT_S = 30.0
_PROBE_TIMEOUT_S = 2.0
_POLL_S = 0.5


@dataclass(frozen=True, slots=True)
class Deployment:
    """Where an index lives.

    Args:
        spaces: the joint spaces whose models there are.
    """

    kafka: str
    store: ObjectStore
    spaces: SpaceBook

    def space_of(self, generation: Generation) -> Space:
        """The space of a generation. Raises SpaceMismatch where there are no models of it."""
        return self.spaces.of(generation.space_id)


def announce(
    deployment: Deployment,
    *,
    tenant: str,
    n_shards: int | None,
    parameters: GenerationParameters,
    space_id: str | None = None,
) -> Generation:
    """Create a new generation's topics and tell the world that it is being built. Blocks.

    Args:
        n_shards: None for as many as the one that serves has.
        space_id: the joint space; that of the one that serves where none is named.

    Raises:
        SpaceMismatch: there are no models of that space.
        NotFound: no generation serves that it could be filled from. InvalidInput: not even one shard.
        Conflict: another one is being built. DependencyDown: Kafka does not answer.
    """
    if n_shards is not None and n_shards < 1:
        raise InvalidInput("A generation has at least one shard.")
    known = read_generations(deployment.kafka).values()
    spaces = deployment.spaces.all()
    mine = [generation for generation in known if generation.space_id in spaces]
    source = serving_of(mine)
    if source is None:
        raise NotFound("No generation serves: there is nothing to fill a new one from.")
    space = deployment.spaces.of(space_id or source.space_id)
    for other in mine:
        if other.state == "building":
            raise Conflict(f"'{other.name}' is being built already: resume it, or retire it first.")
    generation = planned(
        known,
        tenant=tenant,
        space_id=space.space_id,
        n_shards=n_shards or source.n_shards,
        parameters=parameters,
        source=source.name,
        now_ms=time.time_ns() // 1_000_000,
    )
    ensure_topics(deployment.kafka, generation_topics(generation.name, generation.n_shards), timeout_s=_TIMEOUT_S)
    publish_generations(deployment.kafka, [generation])
    return generation


async def fill(
    deployment: Deployment, generation: Generation, stop: asyncio.Event, on_progress: Callable[[Progress], None]
) -> Progress:
    """Bring what the generation lacks of its source: stored items of the same space are copied, for another space
    the embedders read the original files again. `finished` is false when it was stopped, paused or retired.

    Raises:
        Conflict: it is not being built. NotFound: its source is gone. DependencyDown.
    """
    known = await asyncio.to_thread(read_generations, deployment.kafka)
    current = known.get(generation.name)
    if current is not None and current.state == "retired":
        return Progress()  # Before anything was filled in.
    if current is None or current.state != "building":
        raise Conflict(f"The generation '{generation.name}' is not being built.")
    source = known.get(generation.source or "")
    if source is None or not source.is_live:
        raise NotFound(f"What '{generation.name}' is filled from is not there any more.")
    producer = KafkaProducer(deployment.kafka, "backfill")
    copier: Copier = ItemCopier(deployment.store, producer, source, generation)
    batch, in_flight = BATCH, IN_FLIGHT
    try:
        async with AsyncExitStack() as parts:
            if source.space_id != generation.space_id:
                letters = await parts.enter_async_context(SpaceLetters(deployment.kafka, generation).running())
                copier = Reembedder(deployment.store, producer, source, generation, letters, stop)
                batch = in_flight = AT_ONCE
            backfill = Backfill(
                deployment.store,
                copier,
                source=source.name,
                target=generation.name,
                settle_s=SETTLE_S,
                on_progress=on_progress,
                batch=batch,
                in_flight=in_flight,
            )
            return await backfill.run(stop)
    finally:
        await asyncio.to_thread(producer.close)


async def finish(deployment: Deployment, generation: Generation, bus: ShardBus, *, timeout_s: float) -> Generation:
    """Wait until every shard of both replica groups has applied what its log held at the beginning of the wait,
    then declare the generation ready.

    Raises:
        DeadlineExceeded: some have not in time, or do not run. DependencyDown.
        Conflict: it was retired meanwhile.
    """
    ends = await asyncio.to_thread(_log_ends, deployment.kafka, generation)
    deadline = time.monotonic() + timeout_s
    while behind := await _behind(deployment, generation, bus, ends):
        if time.monotonic() > deadline:
            raise DeadlineExceeded(
                f"Not ready in time: {', '.join(behind)}. Look at its processes, then resume the building."
            )
        await asyncio.sleep(_POLL_S)
    known = await asyncio.to_thread(read_generations, deployment.kafka)
    ready = moved(known.get(generation.name, generation), "ready")
    await asyncio.to_thread(publish_generations, deployment.kafka, [ready])
    return ready


async def _behind(
    deployment: Deployment, generation: Generation, bus: ShardBus, ends: dict[int, int]
) -> list[str]:
    probe = probe_request(generation, deployment.space_of(generation))
    late: list[str] = []
    for group in (PRIMARY_GROUP, CPU_GROUP):
        replies = await ask_once(bus, generation, probe, timeout_s=_PROBE_TIMEOUT_S, group=group)
        for shard, end in ends.items():
            reply = replies.get(shard)
            if reply is None or (reply.applied_offset if reply.applied_offset is not None else -1) + 1 < end:
                late.append(f"shard {shard} of group {group}")
    return late


def _log_ends(kafka: str, generation: Generation) -> dict[int, int]:
    with closing(assigned_consumer(kafka, "backfill-ends")) as consumer:
        bounds = log_bounds(consumer, index_updates(generation.name), range(generation.n_shards), _TIMEOUT_S)
    return {shard: end for shard, (_, end) in bounds.items()}
