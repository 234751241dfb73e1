"""What has to be true on Kafka and in the object store before a worker starts, and which space the data is of.

`python -m stack.bootstrap` makes it true once and ends: for deployments whose processes something else starts.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Collection, Iterable
from pathlib import Path

import msgspec
from pydantic import Field

from contracts.errors import ConfigurationError, Conflict
from contracts.generations import Generation, generation_name
from contracts.ids import DEFAULT_TENANT
from contracts.space import Space, read_space, space_file
from contracts.topics import FILE_ADDED, fixed_topics, generation_topics
from runtime.generations import publish_generations, read_generations
from runtime.log_epoch import settle_log_epoch
from runtime.object_store import ObjectStore
from runtime.process import run_main
from runtime.settings import ProcessSettings, load_settings
from runtime.topics_admin import ensure_topics, topic_identity
from stack.backup.replaying import replay_restored

TOPICS_TIMEOUT_S = 60.0
GENERATION_TIMEOUT_S = 20.0
SPACE_FILE = "space.json"
PRINT_GENERATION = "--print-generation"


class BootstrapSettings(ProcessSettings):
    """What the one-shot set-up step of a deployment can be told.

    Args:
        n_shards: shards of the generation, for its whole life.
        generation: the name that the index processes were given; None checks nothing.
    """

    process: str = "bootstrap"
    n_shards: int = Field(default=3, ge=1)
    generation: str | None = None


class DataSpace(msgspec.Struct, frozen=True, kw_only=True):
    """What the documents of a home were embedded for, as kept beside them."""

    space_id: str
    n_shards: int

    @property
    def generation(self) -> str:
        """Name of the index generation."""
        return generation_name(self.space_id, self.n_shards)


def exported_space(model_repository: Path) -> Space:
    """The space that the exported models speak.

    Raises:
        ConfigurationError: no models have been exported.
    """
    try:
        return read_space((model_repository / SPACE_FILE).read_bytes())
    except FileNotFoundError:
        raise ConfigurationError("The models are not exported yet. Run `trireme setup` first.") from None


def claim_data(data: Path, wanted: DataSpace) -> None:
    """Mark a home's data as belonging to this space and number of shards, or check that it does.

    Raises:
        Conflict: the data was built for another space; says what to do.
    """
    marker = data / SPACE_FILE
    if not marker.exists():
        staged = marker.with_suffix(".new")
        staged.write_bytes(msgspec.json.encode(wanted))
        staged.replace(marker)
        return
    known = msgspec.json.decode(marker.read_bytes(), type=DataSpace)
    if known != wanted:
        raise Conflict(
            f"The data here was built for space {known.space_id} in {known.n_shards} shards, but the models speak "
            f"space {wanted.space_id} in {wanted.n_shards}. Start over with `trireme up --reset`, which deletes "
            "all documents of this stack, or export the former models again."
        )


def refuse_without_models(generations: Iterable[Generation], described: Collection[str]) -> None:
    """Raise where an index that takes documents has no models.

    Raises:
        Conflict: with its name; says what to do.
    """
    for generation in generations:
        if generation.space_id not in described:
            raise Conflict(
                f"The index '{generation.name}' here is of the space {generation.space_id}, whose models are not "
                f"in this model repository ('{space_file(generation.space_id)}' is missing): start with the "
                "repository that `trireme models use` has put them into."
            )


async def settle(bootstrap: str, object_store_url: str, space: DataSpace) -> None:
    """Create topics that are missing, settle the log's epoch, and announce the first generation as serving.

    Blocks its thread: run it in one of its own, with its own event loop.

    Raises:
        DependencyDown: Kafka or the store does not answer. ConfigurationError: a topic has other partitions.
        Conflict: a restore into the store was begun and not finished.
    """
    topics = (*fixed_topics(), *generation_topics(space.generation, space.n_shards))
    ensure_topics(bootstrap, topics, timeout_s=TOPICS_TIMEOUT_S)
    store = ObjectStore.from_url(object_store_url)
    await settle_log_epoch(store, topic_identity(bootstrap, FILE_ADDED))
    if await replay_restored(bootstrap, store):
        return  # What serves is what served when the backup was taken.
    if space.generation in read_generations(bootstrap, timeout_s=GENERATION_TIMEOUT_S):
        return  # Whether it still serves is not for a start to say: another one may have taken its place.
    publish_generations(bootstrap, [first_generation(space)], timeout_s=GENERATION_TIMEOUT_S)


def first_generation(space: DataSpace) -> Generation:
    """The generation that a deployment begins with: it serves from the start."""
    return Generation(
        tenant=DEFAULT_TENANT,
        name=space.generation,
        space_id=space.space_id,
        n_shards=space.n_shards,
        state="serving",
        created_ms=time.time_ns() // 1_000_000,
        turn=1,
    )


def deployed_space(settings: BootstrapSettings) -> DataSpace:
    """What the exported models and the number of shards make of this deployment.

    Raises:
        ConfigurationError: no models have been exported, or the index processes were told another generation.
    """
    space = DataSpace(space_id=exported_space(settings.model_repository).space_id, n_shards=settings.n_shards)
    if settings.generation not in (None, space.generation):
        raise ConfigurationError(
            f"The exported models in {space.n_shards} shards make generation '{space.generation}', but "
            f"TRIREME_GENERATION says '{settings.generation}'. Index processes would wait for updates in vain."
        )
    return space


def main(arguments: list[str]) -> None:
    """Settle the deployment that `TRIREME_*` variables describe; `--print-generation` only prints its name.

    Raises:
        ConfigurationError: settings or models that cannot be used, or an unknown argument.
    """
    if arguments not in ([], [PRINT_GENERATION]):
        raise ConfigurationError(f"The only argument known is {PRINT_GENERATION}.")
    settings = load_settings(BootstrapSettings, os.environ)
    space = deployed_space(settings)
    if not arguments:
        asyncio.run(settle(settings.kafka_bootstrap, settings.object_store_url, space))
    print(space.generation)  # noqa: T201 - the answer of a one-shot command


if __name__ == "__main__":
    run_main(lambda: main(sys.argv[1:]))
