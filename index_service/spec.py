"""Which part of which generation a shard is, and how wide its vectors are."""

from dataclasses import dataclass

from contracts.space import Space


@dataclass(frozen=True, slots=True)
class ShardSpec:
    """Identity of one shard.

    Args:
        shard: number of this shard, 0 <= shard < n_shards.
        space_id: embedding space of every vector in the shard.
        text_dim, image_dim: widths of the two halves of a vector.
    """

    generation: str
    shard: int
    n_shards: int
    space_id: str
    text_dim: int
    image_dim: int

    @property
    def dim(self) -> int:
        """Width of a joint vector."""
        return self.text_dim + self.image_dim

    @property
    def vector_bytes(self) -> int:
        """Size of a stored vector (float16)."""
        return 2 * self.dim


def shard_spec(space: Space, generation: str, shard: int, n_shards: int) -> ShardSpec:
    """Spec of one shard of a generation in `space`."""
    return ShardSpec(generation, shard, n_shards, space.space_id, space.text_dim, space.image_dim)
