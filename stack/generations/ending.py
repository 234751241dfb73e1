"""What a retired generation leaves behind, and takes with it once nobody can write to it any more."""

from __future__ import annotations

import asyncio
import time

import confluent_kafka as ck
from confluent_kafka.admin import AdminClient

from contracts.errors import DependencyDown
from contracts.generations import Generation
from contracts.keys import halves_prefix, item_prefix, trained_prefix
from contracts.topics import index_updates
from ingest.backfill.checkpoint import forget_checkpoint
from runtime.kafka_address import connection
from runtime.object_store import ObjectStore

_TIMEOUT_S = 30.0
_PAUSE_S = 0.2
_NO_LEADER = frozenset({ck.KafkaError.NOT_LEADER_FOR_PARTITION, ck.KafkaError.LEADER_NOT_AVAILABLE})
_AT_ONCE = 8


async def clear_away(
    store: ObjectStore, kafka: str, generation: Generation, *, last_of_its_space: bool = False
) -> int:
    """Remove a generation's items, trained indexes and updates; how many objects that were. Safe to repeat.

    With the last generation of a joint space its halves go as well: nobody joins them any more. Its topics stay,
    empty: a joint updater that has not heard yet can still write, and one without its topic would try for ever.

    Raises:
        DependencyDown: store or Kafka do not answer.
    """
    prefixes = [item_prefix(generation.name), trained_prefix(generation.name)]
    if last_of_its_space:
        prefixes.append(halves_prefix(generation.space_id))
    keys = [meta.key for prefix in prefixes async for meta in store.list(prefix)]
    for start in range(0, len(keys), _AT_ONCE):
        await asyncio.gather(*(store.delete(key) for key in keys[start : start + _AT_ONCE]))
    await forget_checkpoint(store, generation.name)
    await asyncio.to_thread(_empty_log, kafka, generation)
    return len(keys)


def _empty_log(kafka: str, generation: Generation) -> None:
    admin = AdminClient({**connection(kafka), "log_level": 2})
    topic = index_updates(generation.name)
    everything = [ck.TopicPartition(topic, shard, ck.OFFSET_END) for shard in range(generation.n_shards)]
    deadline = time.monotonic() + _TIMEOUT_S
    while True:
        try:
            for future in admin.delete_records(everything, request_timeout=_TIMEOUT_S).values():
                future.result(timeout=_TIMEOUT_S)
            return
        except (ck.KafkaException, TimeoutError) as exc:
            if not _passes(exc) or time.monotonic() > deadline:
                raise DependencyDown("kafka", "Kafka did not empty the log of the retired generation.") from exc
        time.sleep(_PAUSE_S)


def _passes(exc: Exception) -> bool:
    """Whether a partition has no leader for the moment: it is new, or its broker has just come back."""
    return isinstance(exc, ck.KafkaException) and exc.args[0].code() in _NO_LEADER
