"""Which documents answers have shown: day buckets on the topic `index_touches.<generation>`, partition = shard.

Expiry spares what was seen. A day is enough for that, so a document is told once a day and gateway.
"""

from typing import ClassVar, Literal

from contracts.codec import Message

DAY_MS = 86_400_000


class Touches(Message, frozen=True, kw_only=True):
    """Documents of one shard that were in a final list of hits, from the index or from the cache.

    Args:
        day: days since 1970 (UTC), by the gateway's clock.
    """

    WIRE: ClassVar[Literal["json", "msgpack"]] = "msgpack"

    generation: str
    day: int
    doc_ids: tuple[str, ...]


def day_of(unix_ms: int) -> int:
    """The day of a time, as touches count days."""
    return unix_ms // DAY_MS
