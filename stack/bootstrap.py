"""What has to be true on Kafka and in the object store before a worker starts, and which space the data is of."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec

from contracts.errors import ConfigurationError, Conflict
from contracts.generations import Generation, generation_name
from contracts.ids import DEFAULT_TENANT
from contracts.space import Space, read_space
from contracts.topics import FILE_ADDED, fixed_topics, generation_topics
from runtime.generations import publish_generation, read_generations
from runtime.kafka_producer import KafkaProducer
from runtime.log_epoch import settle_log_epoch
from runtime.object_store import ObjectStore
from runtime.topics_admin import ensure_topics, topic_identity

TOPICS_TIMEOUT_S = 60.0
GENERATION_TIMEOUT_S = 20.0
SPACE_FILE = "space.json"


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


async def settle(bootstrap: str, object_store_url: str, space: DataSpace) -> None:
    """Create topics that are missing, settle the log's epoch, and announce the generation as serving.

    Blocks its thread: run it in one of its own, with its own event loop.

    Raises:
        DependencyDown: Kafka or the store does not answer. ConfigurationError: a topic has other partitions.
    """
    topics = (*fixed_topics(), *generation_topics(space.generation, space.n_shards))
    ensure_topics(bootstrap, topics, timeout_s=TOPICS_TIMEOUT_S)
    store = ObjectStore.from_url(object_store_url)
    await settle_log_epoch(store, topic_identity(bootstrap, FILE_ADDED))
    known = read_generations(bootstrap, timeout_s=GENERATION_TIMEOUT_S).get(space.generation)
    if known is not None and known.state == "serving":
        return
    producer = KafkaProducer(bootstrap, "stack")
    try:
        publish_generation(producer, _serving(space), timeout_s=GENERATION_TIMEOUT_S)
    finally:
        producer.close()


def _serving(space: DataSpace) -> Generation:
    return Generation(
        tenant=DEFAULT_TENANT,
        name=space.generation,
        space_id=space.space_id,
        n_shards=space.n_shards,
        state="serving",
        created_ms=time.time_ns() // 1_000_000,
    )
