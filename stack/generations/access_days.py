"""Takes the days of last access from one generation's shards to another's: what was shown stays known.

They travel as touches, by the new generation's own log of them; counting a touch twice changes nothing, and of two
days the later one counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from client.index_door import IndexDoor
from contracts.errors import DependencyDown
from contracts.generations import Generation
from contracts.ids import DEFAULT_TENANT, shard_of
from contracts.index_door import UnusedDocument
from contracts.topics import index_touches
from contracts.touches import Touches
from runtime.kafka_producer import KafkaProducer

_PER_RECORD = 1000
_TIMEOUT_S = 30.0
# Later than any document was added, or any day on which one was seen.
_AFTER_ALL_MS = 2**53
_AFTER_ALL_DAYS = 2**31


def carry_access(shards: Iterable[tuple[IndexDoor, int]], kafka: str, target: Generation) -> int:
    """Tell the shards of `target` the days that these shards know; how many documents that were. Blocks.

    Args:
        shards: doors of the primaries of the generation that was searched, with their shards' numbers.

    Raises:
        DependencyDown: a door or Kafka does not answer. Conflict: a shard still reads its log.
    """
    known = [document for door, shard in shards for document in _documents(door, shard)]
    producer = KafkaProducer(kafka, "access-days")
    try:
        sent = [
            producer.send(index_touches(target.name), touches, partition=shard)
            for shard, touches in touches_of(known, target)
        ]
        for future in sent:
            future.result(timeout=_TIMEOUT_S)
    except TimeoutError as exc:
        raise DependencyDown("kafka") from exc
    finally:
        producer.close()
    return len(known)


def touches_of(documents: Iterable[UnusedDocument], target: Generation) -> Iterator[tuple[int, Touches]]:
    """Records for the shards of a generation, one a shard and day, cut to a modest size."""
    places: dict[tuple[int, int], list[str]] = {}
    for document in documents:
        place = shard_of(document.doc_id, target.n_shards), document.accessed_day
        places.setdefault(place, []).append(document.doc_id)
    for (shard, day), doc_ids in sorted(places.items()):
        for start in range(0, len(doc_ids), _PER_RECORD):
            part = tuple(doc_ids[start : start + _PER_RECORD])
            yield shard, Touches(tenant=DEFAULT_TENANT, generation=target.name, day=day, doc_ids=part)


def _documents(door: IndexDoor, shard: int) -> Iterator[UnusedDocument]:
    for page in door.unused(shard, added_before_ms=_AFTER_ALL_MS, accessed_before_day=_AFTER_ALL_DAYS):
        yield from page.unused
