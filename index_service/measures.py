"""What a shard weighs and how much of it is dead."""

from collections.abc import Mapping
from typing import Literal

from index_service.parts import Part as ShardPart
from index_service.shard import Shard

Part = Literal["vectors", "graph", "payload", "documents"]

# Entry and dictionary slot of a document, with its id, as measured with tracemalloc; an estimate.
DOCUMENT_BYTES = 400
# Filter columns of a slot.
SLOT_BYTES = 48


def dead_share(shard: Shard) -> float:
    """Share of the stored vectors that no search may return any more, 0 to 1."""
    parts: tuple[ShardPart, ...] = (shard.delta, *shard.frozen, *shard.sealed)
    n_slots = sum(part.n_slots for part in parts)
    return 1 - sum(part.live.n_live for part in parts) / n_slots if n_slots else 0.0


def memory_bytes(shard: Shard) -> Mapping[Part, int]:
    """Memory by part, in bytes; of what sealed segments map from the disk, its full size."""
    parts: tuple[ShardPart, ...] = (shard.delta, *shard.frozen, *shard.sealed)
    n_slots = sum(part.n_slots for part in parts)
    return {
        "vectors": n_slots * shard.spec.vector_bytes,
        "graph": sum(part.graph_bytes for part in parts),
        "payload": sum(part.payload_bytes for part in parts),
        "documents": shard.n_documents * DOCUMENT_BYTES + n_slots * SLOT_BYTES,
    }
