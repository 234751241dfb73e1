"""What a retired generation leaves behind, and takes with it once nobody can write to it any more."""

from __future__ import annotations

import asyncio

import confluent_kafka as ck
from confluent_kafka.admin import AdminClient

from contracts.errors import DependencyDown
from contracts.generations import Generation
from contracts.keys import item_prefix, trained_prefix
from contracts.topics import index_updates
from ingest.backfill.checkpoint import forget_checkpoint
from runtime.object_store import ObjectStore

_TIMEOUT_S = 30.0
_AT_ONCE = 8


async def clear_away(store: ObjectStore, kafka: str, generation: Generation) -> int:
    """Remove a generation's items, trained indexes and updates; how many objects that were. Safe to repeat.

    Its topics stay, empty: a joint updater that has not heard yet can still write, and one without its topic would
    try for ever.

    Raises:
        DependencyDown: store or Kafka do not answer.
    """
    keys = [
        meta.key
        for prefix in (item_prefix(generation.name), trained_prefix(generation.name))
        async for meta in store.list(prefix)
    ]
    for start in range(0, len(keys), _AT_ONCE):
        await asyncio.gather(*(store.delete(key) for key in keys[start : start + _AT_ONCE]))
    await forget_checkpoint(store, generation.name)
    await asyncio.to_thread(_empty_log, kafka, generation)
    return len(keys)


def _empty_log(kafka: str, generation: Generation) -> None:
    admin = AdminClient({"bootstrap.servers": kafka, "log_level": 2})
    topic = index_updates(generation.name)
    everything = [ck.TopicPartition(topic, shard, ck.OFFSET_END) for shard in range(generation.n_shards)]
    try:
        for future in admin.delete_records(everything, request_timeout=_TIMEOUT_S).values():
            future.result(timeout=_TIMEOUT_S)
    except (ck.KafkaException, TimeoutError) as exc:
        raise DependencyDown("kafka", "Kafka did not empty the log of the retired generation.") from exc
