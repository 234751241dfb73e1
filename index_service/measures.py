"""What a shard weighs and how much of it is dead. For the thread that applies updates."""

from collections.abc import Mapping
from typing import Literal

from index_service.shard import Shard

Part = Literal["vectors", "graph", "payload", "documents"]

# Entry, fields and dictionary slot of a document, with its id, as measured with tracemalloc; an estimate.
_DOCUMENT_BYTES = 900
_SLOT_BYTES = 40


def n_documents(shard: Shard) -> int:
    """Documents that a shard knows, removed ones included."""
    return len(shard.contents.slots)


def dead_share(shard: Shard) -> float:
    """Share of the stored vectors that no search may return any more, 0 to 1."""
    slots = shard.contents.slots
    return 1 - slots.n_live / slots.n_slots if slots.n_slots else 0.0


def memory_bytes(shard: Shard) -> Mapping[Part, int]:
    """Memory by part, in bytes."""
    contents = shard.contents
    return {
        "vectors": contents.slots.n_slots * shard.spec.vector_bytes,
        "graph": 0,
        "payload": contents.payloads.size_bytes,
        "documents": len(contents.slots) * _DOCUMENT_BYTES + contents.slots.n_slots * _SLOT_BYTES,
    }
