"""What the cache keeps of an answer. Hits are kept as shards gave them: links are made anew at every reading."""

from collections.abc import Mapping
from typing import ClassVar, Literal

import msgspec

from contracts.codec import Message
from contracts.search import ShardHit


class CachedAnswer(Message, frozen=True, kw_only=True):
    """A complete answer as it was merged.

    Args:
        stored_ms: Unix time in ms of the answer, from which its age is told.
        n_shards: how many shards answered; only complete answers are kept.
    """

    WIRE: ClassVar[Literal["json", "msgpack"]] = "msgpack"

    stored_ms: int
    hits: tuple[ShardHit, ...]
    n_shards: int
    variant: str
    generation: str

    def age_s(self, now_s: float) -> float:
        """Seconds since it was stored, never negative (clocks of two gateways may differ)."""
        return max(0.0, now_s - self.stored_ms / 1000)

    def without(self, gone: Mapping[str, int]) -> "CachedAnswer":
        """The answer without hits of deleted documents.

        Args:
            gone: version of the delete by document; hits of a newer version stay.
        """
        hits = tuple(hit for hit in self.hits if hit.version > gone.get(hit.doc_id, -1))
        return self if len(hits) == len(self.hits) else msgspec.structs.replace(self, hits=hits)
